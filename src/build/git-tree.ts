import { createWriteStream } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Digest, digestHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_ARCHIVE_BYTES, MAX_ARCHIVE_ENTRIES } from '../core/limits.ts';
import { pathCollision, pathDefect } from '../core/safe-path.ts';
import { counted, quoted } from '../core/text.ts';
import type { LockedGit } from '../format/locked-content.ts';
import type { FileSource } from '../format/manifest.ts';
import { ioError, remove } from '../io/file.ts';
import { makeFolder } from '../io/folder.ts';
import type { Git, GitAddress, GitCommit, GitEntry } from '../source/git.ts';
import { type LfsPointer, MAX_POINTER_BYTES, parsePointer } from '../source/git-lfs.ts';
import type { Origin } from '../source/origin.ts';
import { fetchBlob } from './fetch.ts';
import { withoutLinks } from './git-links.ts';
import { type Kept, keepTree } from './local-files.ts';
import type { Transfer } from './transfer.ts';

const MAX_SUBMODULES = 100;

export interface KeptGit extends Kept {
  readonly git: LockedGit;
}

/** The options of a git source in the manifest. */
export type GitRequest = Pick<FileSource, 'submodules' | 'lfs'>;

/** The commit that a revision currently refers to. @throws StowageError `source-*` */
export async function gitCommit(
  address: GitAddress,
  git: Git,
  { store, signal }: Transfer,
): Promise<string> {
  return within(store.root, (folder) => git.commit(address, folder, signal));
}

/**
 * Stores the files of a commit as one reproducible tar, with the bytes in git (a checkout could change them). A link to
 * a file in the repository becomes a copy of that file.
 * @throws StowageError `content-refused`, `path-unsafe`, `file-kind` for links to other targets, `source-unsupported`
 * for submodules and LFS files that the manifest does not request, other `source-*`
 */
export async function keepGit(
  { url, commit }: Pick<LockedGit, 'url' | 'commit'>,
  request: GitRequest,
  git: Git,
  transfer: Transfer,
): Promise<KeptGit> {
  const { store } = transfer;
  return within(store.root, async (folder) => {
    const tree = new GitTree(folder, request, git, transfer);
    const root = await tree.add(url, commit);
    const kept = await keepTree(store, join(folder, 'tree'));
    const submodules = tree.submodules.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    return {
      ...kept,
      git: { url, commit, tree: root.tree, ...(submodules.length > 0 && { submodules }) },
    };
  });
}

async function within<T>(root: string, work: (folder: string) => Promise<T>): Promise<T> {
  const incoming = join(root, 'incoming');
  await makeFolder(incoming);
  const folder = await mkdtemp(join(incoming, 'git-'));
  try {
    return await work(folder);
  } finally {
    await remove(folder);
  }
}

/** Exports the files of a repository and its submodules to one folder. */
class GitTree {
  readonly submodules: { path: string; url: string; commit: string }[] = [];
  readonly #paths: string[] = [];
  readonly #target: string;
  readonly #work: string;
  readonly #request: GitRequest;
  readonly #git: Git;
  readonly #transfer: Transfer;
  #bytes = 0;
  #repositories = 0;

  /** @param folder temporary; files are written to its subfolder `tree` */
  constructor(folder: string, request: GitRequest, git: Git, transfer: Transfer) {
    this.#target = join(folder, 'tree');
    this.#work = folder;
    this.#request = request;
    this.#git = git;
    this.#transfer = transfer;
  }

  async add(url: string, commit: string, below = ''): Promise<GitCommit> {
    const { signal, emit } = this.#transfer;
    emit({ type: 'step', step: 'git', subject: `${url}@${commit.slice(0, 12)}` });
    const objects = join(this.#work, `objects-${this.#repositories++}`);
    await mkdir(objects);
    const found = await this.#git.fetch(url, commit, objects, signal);
    const files = await withoutLinks(found, url);
    this.#claim(files, below, url);
    await this.#write(found, files, below, url);
    await remove(objects);
    await this.#addSubmodules(found, url, below);
    return found;
  }

  async #addSubmodules(found: GitCommit, url: string, below: string): Promise<void> {
    const within = found.entries.filter(({ kind }) => kind === 'repository');
    if (within.length > 0 && this.#request.submodules !== true) {
      throw unasked(url, 'submodules', 'submodules: true', paths(within));
    }
    for (const { path, oid } of within) {
      const named = found.repositories.get(path);
      if (named === undefined || this.submodules.length >= MAX_SUBMODULES) {
        throw new StowageError('source-unsupported', `cannot fetch a submodule of ${url}`, {
          expected: `a URL in .gitmodules, and at most ${MAX_SUBMODULES} submodules`,
          found: named === undefined ? `none for ${path}` : 'more',
          hint: 'add each repository to the manifest separately',
        });
      }
      const address = this.#git.submodule(url, named);
      this.submodules.push({ path: `${below}${path}`, url: address, commit: oid });
      await this.add(address, oid, `${below}${path}/`);
    }
  }

  /** Checks names and sizes before any file is written. */
  #claim(files: readonly GitEntry[], below: string, url: string): void {
    const defects: string[] = [];
    for (const { path, size } of files) {
      const whole = `${below}${path}`;
      const git = whole.split('/').some((each) => /^(?:\.git|git~1)$/i.test(each));
      const defect = git ? "git's own folder" : pathDefect(whole);
      if (defect !== undefined) defects.push(`${quoted(whole)}: ${defect}`);
      this.#paths.push(whole);
      this.#bytes += size;
    }
    const collision = pathCollision(this.#paths);
    if (collision !== undefined)
      defects.push(`${collision.join(' and ')}: the same file on some systems`);
    if (defects.length > 0) {
      throw new StowageError(
        'path-unsafe',
        `${url} has file names that some systems do not support`,
        {
          expected: 'portable names that differ in more than case',
          hint: 'rename the files in the repository, or clone it and use a folder with the files that you need',
          defects: defects.slice(0, 50),
        },
      );
    }
    this.#requireSize(url);
  }

  #requireSize(url: string): void {
    if (this.#bytes <= MAX_ARCHIVE_BYTES && this.#paths.length <= MAX_ARCHIVE_ENTRIES) return;
    throw new StowageError('content-refused', `${url} exceeds the limits of an archive`, {
      expected: `at most ${MAX_ARCHIVE_BYTES} bytes in ${MAX_ARCHIVE_ENTRIES} files`,
      found: `${counted(this.#bytes, 'byte')} in ${counted(this.#paths.length, 'file')}`,
      hint: 'clone the repository and use a folder with the files that you need',
    });
  }

  async #write(
    found: GitCommit,
    files: readonly GitEntry[],
    below: string,
    url: string,
  ): Promise<void> {
    const pointers: { entry: GitEntry; pointer: LfsPointer }[] = [];
    await found.read(files, async (index, bytes) => {
      const entry = files[index];
      if (entry === undefined) throw new Error('no such entry');
      if (entry.size >= MAX_POINTER_BYTES) return this.#put(below, entry, bytes);
      const chunks: Uint8Array[] = [];
      for await (const chunk of bytes) chunks.push(chunk);
      const content = Buffer.concat(chunks);
      const pointer = parsePointer(content);
      if (pointer === undefined) return this.#put(below, entry, [content]);
      pointers.push({ entry, pointer });
    });
    if (pointers.length === 0) return;
    if (this.#request.lfs !== true) {
      const named = paths(pointers.map(({ entry }) => entry));
      throw unasked(url, 'files in Git LFS', 'lfs: true', named);
    }
    for (const { pointer } of pointers) this.#bytes += pointer.size;
    this.#requireSize(url);
    await this.#fetchLfs(pointers, below, url);
  }

  async #fetchLfs(
    pointers: readonly { entry: GitEntry; pointer: LfsPointer }[],
    below: string,
    url: string,
  ): Promise<void> {
    const { store, signal } = this.#transfer;
    const unique = new Map(pointers.map(({ pointer }) => [pointer.digest, pointer]));
    const missing: LfsPointer[] = [];
    for (const each of unique.values())
      if ((await store.size(each.digest)) !== each.size) missing.push(each);
    const origins =
      missing.length === 0 ? new Map<Digest, Origin>() : await this.#git.lfs(url, missing, signal);
    for (const { digest, size } of missing) {
      const origin = origins.get(digest);
      if (origin === undefined) throw new Error('an LFS object without an origin');
      const expected = { key: digestHex(digest), digest, size, label: `LFS object of ${url}` };
      await fetchBlob(this.#transfer, expected, origin);
    }
    for (const { entry, pointer } of pointers) {
      const path = await this.#place(below, entry);
      await copyFile(store.path(pointer.digest), path).catch((error: unknown) => {
        throw ioError(error, path);
      });
      await chmod(path, modeOf(entry));
    }
  }

  async #put(
    below: string,
    entry: GitEntry,
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    const path = await this.#place(below, entry);
    try {
      await pipeline(bytes, createWriteStream(path, { flags: 'wx', mode: modeOf(entry) }));
    } catch (error) {
      throw ioError(error, path);
    }
  }

  async #place(below: string, { path }: GitEntry): Promise<string> {
    const place = join(this.#target, below, path);
    await makeFolder(dirname(place));
    return place;
  }
}

function modeOf({ kind }: GitEntry): number {
  return kind === 'program' ? 0o755 : 0o644;
}

function paths(entries: readonly GitEntry[]): string[] {
  return entries.slice(0, 50).map(({ path }) => path);
}

function unasked(
  url: string,
  what: string,
  line: string,
  defects: readonly string[],
): StowageError {
  return new StowageError('source-unsupported', `${url} has ${what}`, {
    expected: `\`${line}\` in its manifest entry`,
    found: `${defects[0]}${defects.length > 1 ? ` and ${defects.length - 1} more` : ''}`,
    hint: `add ${line} to its manifest entry if you need them`,
    defects,
  });
}
