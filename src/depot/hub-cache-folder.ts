import { createHash } from 'node:crypto';
import { lstat, mkdir, readlink, realpath, rename, rmdir, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { systemCode } from '../core/error.ts';
import { MIB } from '../core/limits.ts';
import { ioError, readIfThere, remove, syncFolder, writeAtomic } from '../io/file.ts';
import { inTheWay, isPlaced } from './hub-cache-blob.ts';
import type { CacheSnapshot } from './hub-cache-content.ts';

const MAX_TEXT_BYTES: number = 64 * MIB;
/** What was written by this and earlier exports: SHA-256 of texts by their path. */
const NOTES = '.stowage-export.json';
const MAX_NOTES = 16;

/** What an export made: a snapshot goes whole, a folder only when it is empty. */
interface Made {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'snapshot';
}

/**
 * The folder of one repository in a cache that others use too. Nothing of theirs is replaced, and what one export
 * made is taken away again when it fails.
 */
export class CacheFolder {
  readonly path: string;
  readonly #made: Made[] = [];

  constructor(path: string) {
    this.path = path;
  }

  /** A path below it whose folder is made if need be. @throws StowageError `output-exists` for a link on the way */
  async place(path: string): Promise<string> {
    const place = join(this.path, path);
    await this.#makeFolder(dirname(place));
    const root = join(await realpath(dirname(this.path)), basename(this.path));
    const folder = await realpath(dirname(place));
    if (folder !== root && !folder.startsWith(`${root}${sep}`))
      throw inTheWay(dirname(place), 'a folder');
    return place;
  }

  /** Makes a blob by `make` unless there is one. @returns whether it was made */
  async addBlob(
    etag: string,
    size: number,
    make: (path: string) => Promise<void>,
  ): Promise<boolean> {
    const place = await this.place(`blobs/${etag}`);
    if (await isPlaced(place, size)) return false;
    await make(place);
    this.#made.push({ path: place, kind: 'file' });
    return true;
  }

  /** Makes a snapshot visible at once, or adds what is missing in one that is there. */
  async addSnapshot({ commit, links }: CacheSnapshot): Promise<void> {
    const folder = await this.place(`snapshots/${commit}`);
    if (await isThere(folder)) {
      for (const [path, { target, size }] of links)
        await this.#addLink(`snapshots/${commit}/${path}`, target, size);
      return;
    }
    const temporary = join(this.path, '.stowage.partial');
    await remove(temporary);
    try {
      await mkdir(temporary);
      for (const [path, { target }] of links) {
        await mkdir(dirname(join(temporary, path)), { recursive: true });
        await symlink(target, join(temporary, path));
      }
      await rename(temporary, folder);
    } catch (error) {
      await remove(temporary);
      throw ioError(error, folder);
    }
    this.#made.push({ path: folder, kind: 'snapshot' });
    await syncFolder(dirname(folder));
  }

  /**
   * Writes small files, in place of what an earlier export wrote and nobody changed since.
   * @returns the paths of those that others wrote otherwise, which stay
   */
  async addTexts(texts: ReadonlyMap<string, string>): Promise<string[]> {
    const notes = await this.#notes();
    const kept: string[] = [];
    const due = new Map<string, string>();
    for (const [path, text] of texts) {
      const now = await readText(await this.place(path));
      if (now !== undefined && now !== text && !notes[path]?.includes(sha256(now))) kept.push(path);
      else {
        notes[path] = [...new Set([...(notes[path] ?? []), sha256(text)])].slice(-MAX_NOTES);
        if (now !== text) due.set(path, text);
      }
    }
    // First: a text that is written and not noted would count as another's for ever.
    await this.#write(NOTES, `${JSON.stringify(notes)}\n`);
    for (const [path, text] of due) await this.#write(path, text);
    return kept;
  }

  /** Takes away what this export made, newest first. */
  async undo(): Promise<void> {
    for (const { path, kind } of this.#made.reverse()) {
      if (kind === 'folder') await rmdir(path).catch(() => {});
      else await remove(path);
    }
  }

  async #write(path: string, text: string): Promise<void> {
    const place = await this.place(path);
    const before = await isThere(place);
    await writeAtomic(place, Buffer.from(text));
    if (!before) this.#made.push({ path: place, kind: 'file' });
  }

  async #addLink(path: string, target: string, size: number): Promise<void> {
    const place = await this.place(path);
    try {
      if ((await lstat(place)).isSymbolicLink() && (await readlink(place)) === target) return;
      // Where links could not be made, clients put the file itself there.
      const found = await stat(place);
      if (!found.isFile() || found.size !== size) throw inTheWay(place, `a file of ${size} bytes`);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw ioError(error, place);
      if (await isThere(place)) throw inTheWay(place, `a file of ${size} bytes`);
      await symlink(target, place);
      this.#made.push({ path: place, kind: 'file' });
    }
  }

  async #makeFolder(path: string): Promise<void> {
    if (path.length < this.path.length || (await isThere(path))) return;
    await this.#makeFolder(dirname(path));
    try {
      await mkdir(path);
      this.#made.push({ path, kind: 'folder' });
    } catch (error) {
      throw ioError(error, path);
    }
  }

  async #notes(): Promise<Record<string, string[]>> {
    const text = await readText(join(this.path, NOTES));
    const notes: Record<string, string[]> = {};
    try {
      const value = JSON.parse(text ?? '{}') as Record<string, unknown>;
      for (const [path, sums] of Object.entries(value))
        if (Array.isArray(sums)) notes[path] = sums.map(String);
    } catch {
      // Notes that cannot be read are none: whatever is there counts as another's, and stays.
    }
    return notes;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw ioError(error, path);
  }
}

async function readText(path: string): Promise<string | undefined> {
  return (await readIfThere(path, MAX_TEXT_BYTES))?.toString('utf8');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
