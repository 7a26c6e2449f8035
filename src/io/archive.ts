import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  create,
  extract,
  Parser,
  type ReadEntry,
  type TarOptionsWithAliasesAsyncNoFile,
} from 'tar';
import { StowageError } from '../core/error.ts';
import { MAX_ARCHIVE_BYTES, MAX_ARCHIVE_ENTRIES, MAX_LAYER_ENTRIES } from '../core/limits.ts';
import { pathCollision, pathDefect } from '../core/safe-path.ts';

/**
 * Writes a tar of these files of a folder whose bytes depend on names, contents and the executable bit alone:
 * sorted, modification time 0, owner 0, no folders, nothing compressed.
 * @param paths below `folder`, each a regular file
 */
export async function writeTree(
  folder: string,
  paths: readonly string[],
  archive: string,
): Promise<void> {
  await create({ ...treeOptions(folder), file: archive }, bytewise(paths));
}

function treeOptions(folder: string): TarOptionsWithAliasesAsyncNoFile {
  return {
    cwd: folder,
    portable: true,
    strict: true,
    noDirRecurse: true,
    mtime: new Date(0),
    linkCache: new NoLinks(),
    onWriteEntry: (entry) => {
      if (entry.stat !== undefined)
        entry.stat.mode = (entry.stat.mode & 0o100) === 0 ? 0o644 : 0o755;
    },
  };
}

function bytewise(paths: readonly string[]): string[] {
  return paths.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** Two names of one file are two files in the archive: how many links the file has here is this disk's affair. */
class NoLinks extends Map<`${number}:${number}`, string> {
  override get(): undefined {
    return undefined;
  }
}

/**
 * Unpacks an archive whose digest was checked before into a folder that exists and is empty. Every entry is
 * looked at before the first is written: regular files with safe names only, no name twice, bounded counts. What
 * was unpacked is packed again and compared: an archive has one encoding, and nothing beside or after its files.
 * @throws StowageError `archive-refused`; the caller removes the folder
 */
export async function readTree(archive: string, folder: string): Promise<void> {
  await translate(async () => {
    const paths = await listTree(archive);
    const collision = pathCollision(paths);
    if (collision !== undefined) throw refused(`${collision[0]} and ${collision[1]} are one file`);
    await extract({
      file: archive,
      cwd: folder,
      strict: true,
      noMtime: true,
      preserveOwner: false,
      umask: 0o022,
    });
    for (const path of paths) await setMode(join(folder, path));
    const again = await hashOf(create(treeOptions(folder), bytewise(paths)));
    if (again !== (await hashOf(createReadStream(archive))))
      throw refused('bytes that writing these files again does not give');
  });
}

/** The mode that the archive has for the file, of which the umask took bits. */
async function setMode(path: string): Promise<void> {
  const { mode } = await lstat(path);
  const wanted = (mode & 0o100) === 0 ? 0o644 : 0o755;
  if ((mode & 0o777) !== wanted) await chmod(path, wanted);
}

async function listTree(archive: string): Promise<string[]> {
  const { size } = await lstat(archive);
  const paths: string[] = [];
  let total = 0;
  const look = (entry: ReadEntry): void => {
    const defect = entryDefect(entry);
    if (defect !== undefined) throw refused(`${JSON.stringify(entry.path)}: ${defect}`);
    paths.push(entry.path);
    total += entry.size;
    if (paths.length > MAX_ARCHIVE_ENTRIES) throw refused(`over ${MAX_ARCHIVE_ENTRIES} entries`);
    if (total > MAX_ARCHIVE_BYTES) throw refused(`over ${MAX_ARCHIVE_BYTES} bytes`);
    if (total > size) throw refused('more than its own size: it is compressed, or cut');
    entry.resume();
  };
  // Fed by hand, so that what `look` throws arrives here and not in the callback of a stream.
  const parser = new Parser({ strict: true, onReadEntry: look });
  for await (const chunk of createReadStream(archive)) parser.write(chunk as Buffer);
  parser.end();
  return paths;
}

function entryDefect(entry: ReadEntry): string | undefined {
  if (entry.type !== 'File') return `a ${entry.type}`;
  if (entry.mode !== 0o644 && entry.mode !== 0o755) return `mode ${entry.mode?.toString(8)}`;
  return pathDefect(entry.path);
}

const BLOCK_BYTES = 512;

/** An entry of an archive that somebody else wrote; nothing about its name is safe. */
export interface ForeignEntry {
  readonly path: string;
  readonly type: 'file' | 'folder' | 'other';
  readonly size: number;
  readonly mode: number;
}

/** Takes an entry's bytes as they come. */
export interface EntryReader {
  write(chunk: Buffer): void;
  end(): void;
}

/**
 * Reads a plain tar from elsewhere as a stream, and writes nothing to disk: a layer of an image, say.
 * @param look asked of each entry, in order; undefined passes over its bytes
 * @throws StowageError `archive-refused` for a broken header, an end before its time or too many entries; and what the
 * bytes or `look` throw
 */
export async function readEntries(
  chunks: AsyncIterable<Buffer>,
  look: (entry: ForeignEntry) => EntryReader | undefined,
): Promise<void> {
  let entries = 0;
  let open = false;
  let defect: string | undefined;
  const parser = new Parser({
    onReadEntry: (entry) => {
      entries += 1;
      const { path, size, mode = 0 } = entry;
      const reader = look({ path, size, mode, type: entryType(entry.type) });
      open = true;
      entry.on('data', (chunk: Buffer) => reader?.write(chunk));
      entry.on('end', () => {
        open = false;
        reader?.end();
      });
    },
    onwarn: (code, message) => {
      // Anything else is information about an entry that was read all the same.
      if (/^TAR_(?:BAD_ARCHIVE|ENTRY_INVALID|ABORT)$/.test(code)) defect ??= String(message);
    },
  });
  let ended = false;
  let total = 0;
  parser.on('eof', () => {
    ended = true;
  });
  for await (const chunk of chunks) {
    parser.write(chunk);
    total += chunk.length;
    if (defect !== undefined) throw refused(defect);
    if (entries > MAX_LAYER_ENTRIES) throw refused(`over ${MAX_LAYER_ENTRIES} entries`);
  }
  parser.end();
  if (defect !== undefined || open) throw refused(defect ?? 'an entry cut short');
  if (!ended && total % BLOCK_BYTES !== 0) throw refused('a header cut short');
}

function entryType(type: string): ForeignEntry['type'] {
  if (type === 'File' || type === 'OldFile' || type === 'ContiguousFile') return 'file';
  return type === 'Directory' ? 'folder' : 'other';
}

async function hashOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}

async function translate(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    if (cause instanceof StowageError) throw cause;
    throw refused(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function refused(found: string, cause?: unknown): StowageError {
  return new StowageError(
    'archive-refused',
    'an archive of files is not one that Stowage would have written',
    {
      expected: 'regular files with safe names, each once',
      found,
      hint: 'do not use this bundle; ask who packed it for another copy',
      cause,
    },
  );
}
