import { createHash } from 'node:crypto';
import { lstat, readlink, realpath, rename, rmdir, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { systemCode } from '../core/error.ts';
import { MIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { exists, ioError, readIfThere, remove, syncFolder, writeAtomic } from '../io/file.ts';
import { makeFolder, makeNewFolder } from '../io/folder.ts';
import { inTheWay, isPlaced } from './hub-cache-blob.ts';
import type { CacheSnapshot } from './hub-cache-content.ts';

const MAX_TEXT_BYTES: number = 64 * MIB;
/** What this and earlier exports wrote: SHA-256 of each small file by its path. */
const NOTES = '.stowage-export.json';
const MAX_NOTES = 16;

/** Something that an export created. On failure a snapshot is removed with its content, a folder only if it is empty. */
interface Made {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'snapshot';
}

/**
 * The folder of one repository in a cache that other programs use too. Their files are never replaced, and what an
 * export created is removed if it fails.
 */
export class CacheFolder {
  readonly path: string;
  readonly #made: Made[] = [];

  constructor(path: string) {
    this.path = path;
  }

  /** A path inside it; creates the parent folders. @throws StowageError `output-exists` if one of them is a link */
  async place(path: string): Promise<string> {
    const place = join(this.path, path);
    await this.#makeFolder(dirname(place));
    const root = join(await realpath(dirname(this.path)), basename(this.path));
    const folder = await realpath(dirname(place));
    if (folder !== root && !folder.startsWith(`${root}${sep}`))
      throw inTheWay(dirname(place), 'a folder');
    return place;
  }

  /** Creates a blob with `make` unless it exists. @returns whether it was created */
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

  /** Makes a new snapshot visible in one step, or adds what an existing one lacks. */
  async addSnapshot({ commit, links }: CacheSnapshot): Promise<void> {
    const folder = await this.place(`snapshots/${commit}`);
    if (await exists(folder)) {
      for (const [path, { target, size }] of links)
        await this.#addLink(`snapshots/${commit}/${path}`, target, size);
      return;
    }
    const temporary = join(this.path, '.stowage.partial');
    await remove(temporary);
    try {
      await makeNewFolder(temporary);
      for (const [path, { target }] of links) {
        await makeFolder(dirname(join(temporary, path)));
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
   * Writes small files. Replaces one only if an earlier export wrote it and it has not changed since.
   * @returns the paths of the files that other programs wrote, which are kept
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
    // Recorded first: a file that is written and not recorded would count as another program's forever.
    await this.#write(NOTES, `${JSON.stringify(notes)}\n`);
    for (const [path, text] of due) await this.#write(path, text);
    return kept;
  }

  /** Removes what this export created, newest first. */
  async undo(): Promise<void> {
    for (const { path, kind } of this.#made.reverse()) {
      if (kind === 'folder') await rmdir(path).catch(() => {});
      else await remove(path);
    }
  }

  async #write(path: string, text: string): Promise<void> {
    const place = await this.place(path);
    const before = await exists(place);
    await writeAtomic(place, Buffer.from(text));
    if (!before) this.#made.push({ path: place, kind: 'file' });
  }

  async #addLink(path: string, target: string, size: number): Promise<void> {
    const place = await this.place(path);
    try {
      if ((await lstat(place)).isSymbolicLink() && (await readlink(place)) === target) return;
      // Where symbolic links are not possible, clients store the file itself.
      const found = await stat(place);
      if (!found.isFile() || found.size !== size)
        throw inTheWay(place, `a file of ${counted(size, 'byte')}`);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw ioError(error, place);
      if (await exists(place)) throw inTheWay(place, `a file of ${counted(size, 'byte')}`);
      await symlink(target, place);
      this.#made.push({ path: place, kind: 'file' });
    }
  }

  async #makeFolder(path: string): Promise<void> {
    if (path.length < this.path.length || (await exists(path))) return;
    await this.#makeFolder(dirname(path));
    try {
      await makeNewFolder(path);
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
      // Without a readable record every file counts as another program's, and is kept.
    }
    return notes;
  }
}

async function readText(path: string): Promise<string | undefined> {
  return (await readIfThere(path, MAX_TEXT_BYTES))?.toString('utf8');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
