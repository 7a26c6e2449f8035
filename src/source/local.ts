import { constants, type Dirent, type Stats } from 'node:fs';
import { access, open, readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { interrupted, StowageError, systemCode } from '../core/error.ts';
import { MAX_ARCHIVE_ENTRIES, MIB } from '../core/limits.ts';
import { pathCollision, pathDefect, type SafePath } from '../core/safe-path.ts';
import { quoted } from '../core/text.ts';
import type { Origin } from './origin.ts';

export interface LocalFile {
  readonly size: number;
  readonly origin: Origin;
}

export interface LocalTreeFile {
  /** Below the folder. */
  readonly path: SafePath;
  readonly size: number;
  readonly absolute: string;
}

/**
 * A local file, of which nothing is read yet. It may be a symbolic link, because caches contain many of them.
 * @throws StowageError `file-missing`, `file-kind`, `io-failed`
 */
export async function localFile(path: string): Promise<LocalFile> {
  const status = await statOf(path);
  if (!status.isFile()) throw wrongKind(path, 'a regular file');
  if (!(await isReadable(path))) throw unreadable(path, [path]);
  return {
    size: status.size,
    origin: { description: path, open: (from, signal) => read(path, from, signal) },
  };
}

/** How {@link localTree} walks a folder. */
export interface TreeOptions {
  /** Whether a file or folder is left out, with everything below it. */
  readonly omit?: (path: string) => boolean;
  /** The file that a link stands for; undefined for a link that is refused. Without it, every link is. */
  readonly follow?: (absolute: string) => Promise<string | undefined>;
}

/**
 * Every file below a folder, sorted bytewise by path. Empty folders are omitted. No file is read.
 * @throws StowageError `file-missing`; `path-unsafe` for names that some system cannot hold, or that are one file on
 * some systems; `file-kind` for links, devices, pipes and sockets; `io-failed` for files that this user cannot read; with every
 * defect listed
 */
export async function localTree(
  folder: string,
  { omit = () => false, follow }: TreeOptions = {},
): Promise<LocalTreeFile[]> {
  if (!(await statOf(folder)).isDirectory()) throw wrongKind(folder, 'a folder');
  const files: LocalTreeFile[] = [];
  const unsafe: string[] = [];
  const strange: string[] = [];
  const denied: string[] = [];
  for (const { path, entry } of await walk(folder, omit)) {
    const file = await fileIn(join(folder, path), entry, follow);
    const defect = pathDefect(path);
    if (defect !== undefined) unsafe.push(`${quoted(path)}: ${defect}`);
    else if (file === undefined)
      strange.push(
        `${path}: ${entry.isSymbolicLink() ? await describeLink(join(folder, path)) : 'not a file'}`,
      );
    else {
      files.push({ path: path as SafePath, size: (await statOf(file)).size, absolute: file });
      if (!(await isReadable(file))) denied.push(path);
    }
  }
  const collision = pathCollision(files.map(({ path }) => path));
  if (collision !== undefined)
    unsafe.push(`${collision.join(' and ')}: the same file on some systems`);
  if (unsafe.length > 0) throw refuseNames(folder, unsafe, strange);
  if (strange.length > 0) throw wrongKind(folder, 'only files and folders', strange);
  if (denied.length > 0) throw unreadable(folder, denied);
  return files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/** The path of the regular file that an entry is, or that a link which may be followed leads to. */
async function fileIn(
  path: string,
  entry: Dirent,
  follow: TreeOptions['follow'],
): Promise<string | undefined> {
  if (entry.isFile()) return path;
  const target = entry.isSymbolicLink() ? await follow?.(path) : undefined;
  return target !== undefined && (await statOf(target)).isFile() ? target : undefined;
}

async function walk(
  folder: string,
  omit: (path: string) => boolean,
): Promise<{ path: string; entry: Dirent }[]> {
  const found: { path: string; entry: Dirent }[] = [];
  const pending = [''];
  for (let below = pending.pop(); below !== undefined; below = pending.pop()) {
    for (const entry of await list(join(folder, below))) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (omit(path)) continue;
      if (entry.isDirectory() && pathDefect(path) === undefined) pending.push(path);
      else found.push({ path, entry });
      if (found.length > MAX_ARCHIVE_ENTRIES) {
        throw wrongKind(folder, `at most ${MAX_ARCHIVE_ENTRIES} files`);
      }
    }
  }
  return found;
}

async function isReadable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function unreadable(path: string, denied: readonly string[]): StowageError {
  const shown = denied.slice(0, 50);
  return new StowageError('io-failed', `this user cannot read ${path}`, {
    expected: 'files that this user can read',
    found: denied.length === 1 ? quoted(denied[0] ?? '') : `${denied.length} that it cannot`,
    hint: 'run as the owner of the files, or allow this user to read them with chmod or chgrp',
    defects: shown.length > 1 ? shown.map((each) => quoted(each)) : [],
  });
}

async function list(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw localFailure(folder, cause);
  }
}

async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    const link = systemCode(cause) === 'ENOENT' ? await describeLink(path) : undefined;
    if (link === undefined) throw localFailure(path, cause);
    throw wrongKind(path, 'a regular file', [`${path}: ${link}`]);
  }
}

/** Describes the target of a link; undefined if it is not a link. With git-annex, a file whose content is missing is a broken link. */
async function describeLink(path: string): Promise<string | undefined> {
  const target = await readlink(path).catch(() => undefined);
  if (target === undefined) return undefined;
  return isAnnexLink(target)
    ? 'a link to an object of git-annex: run git annex get and git annex unlock'
    : `a link to ${JSON.stringify(target.slice(0, 200))}`;
}

async function read(
  path: string,
  offset: number,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  if (signal.aborted) throw interrupted(signal);
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await handle.stat()).isFile()) {
      await handle.close();
      throw wrongKind(path, 'a regular file');
    }
    const stream = handle.createReadStream({ start: offset, highWaterMark: MIB });
    return chunks(stream, path, signal);
  } catch (cause) {
    throw localFailure(path, cause);
  }
}

async function* chunks(
  stream: AsyncIterable<Uint8Array>,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of stream) {
      if (signal.aborted) throw interrupted(signal);
      yield chunk;
    }
  } catch (cause) {
    throw localFailure(path, cause);
  }
}

/** The error for a local path that cannot be read. */
export function localFailure(path: string, cause: unknown): StowageError {
  if (cause instanceof StowageError) return cause;
  if (['ENOENT', 'ENOTDIR'].includes(systemCode(cause) ?? '')) {
    return new StowageError('file-missing', `${path} does not exist`, {
      hint: 'check the path in the manifest; it is relative to the folder of the manifest',
      cause,
    });
  }
  return new StowageError('io-failed', `cannot read ${path}`, {
    found: systemCode(cause) ?? 'a failure without a code',
    hint: 'check the permissions and the health of the disk',
    cause,
  });
}

/** Whether a link points to a git-annex object, which holds the content of a file. */
export function isAnnexLink(target: string): boolean {
  return /(?:^|\/)\.git\/annex\/objects\//.test(target);
}

/** The error for a local path of another kind. */
export function wrongKind(
  path: string,
  expected: string,
  defects: readonly string[] = [],
): StowageError {
  return new StowageError('file-kind', `${path} is not ${expected}`, {
    expected,
    hint: 'replace links, devices, pipes and sockets with regular files',
    defects,
  });
}

function refuseNames(
  folder: string,
  unsafe: readonly string[],
  strange: readonly string[],
): StowageError {
  return new StowageError(
    'path-unsafe',
    `${folder} has file names that some systems do not support`,
    {
      expected: 'portable names that differ in more than case',
      hint: 'rename the files listed',
      defects: [...unsafe, ...strange],
    },
  );
}
