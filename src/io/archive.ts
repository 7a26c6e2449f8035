import { createReadStream } from 'node:fs';
import { chmod, lstat, readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import {
  create,
  extract,
  Header,
  Parser,
  Pax,
  type ReadEntry,
  type TarOptionsWithAliasesAsyncNoFile,
} from 'tar';
import { digestOfStream } from '../core/digest.ts';
import { messageOf, StowageError, systemCode } from '../core/error.ts';
import { MAX_ARCHIVE_BYTES, MAX_ARCHIVE_ENTRIES, MAX_LAYER_ENTRIES } from '../core/limits.ts';
import { pathCollision, pathDefect } from '../core/safe-path.ts';
import { ioError } from './file.ts';

const BLOCK_BYTES = 512;

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

/** The size in bytes of the archive that {@link writeTree} writes of these files, before any of them is read. */
export function treeBytes(
  files: readonly { readonly path: string; readonly size: number }[],
): number {
  const entries = files.reduce((sum, { path, size }) => {
    const content = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
    return sum + headerBytes(path, size) + content;
  }, 0);
  return entries + 2 * BLOCK_BYTES;
}

function headerBytes(path: string, size: number): number {
  const about = { path, size, mtime: new Date(0) };
  const needsExtended = new Header({ ...about, type: 'File', mode: 0o644 }).encode();
  return BLOCK_BYTES + (needsExtended ? new Pax(about).encode().length : 0);
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

/** Hard links to one file become two files in the archive: the links of this disk must not change its bytes. */
class NoLinks extends Map<`${number}:${number}`, string> {
  override get(): undefined {
    return undefined;
  }
}

/**
 * Unpacks an archive, whose digest was verified before, into an existing empty folder. Every entry is checked before
 * the first is written: only regular files with safe, distinct names, and bounded counts. The unpacked files are packed
 * again and compared: an archive has one encoding, and nothing besides its files.
 * @throws StowageError `archive-refused`; the caller removes the folder
 */
export async function readTree(archive: string, folder: string): Promise<void> {
  await translate(async () => {
    const paths = await listTree(archive);
    const collision = pathCollision(paths);
    if (collision !== undefined)
      throw refused(`${collision[0]} and ${collision[1]} are one file on some systems`);
    await extract({
      file: archive,
      cwd: folder,
      strict: true,
      noMtime: true,
      preserveOwner: false,
      umask: 0o022,
    });
    for (const path of paths) await setMode(join(folder, path));
    for (const path of foldersOf(paths)) await chmod(join(folder, path), 0o755);
    const again = await digestOfStream(create(treeOptions(folder), bytewise(paths)));
    if (again !== (await digestOfStream(createReadStream(archive))))
      throw refused('bytes that differ from the archive of these files');
  });
}

/** Whether a folder holds exactly the files of an archive that {@link writeTree} wrote, byte for byte. */
export async function isTreeOf(archive: string, folder: string): Promise<boolean> {
  try {
    const paths = bytewise(await listTree(archive));
    if ((await filesIn(folder)).join('\0') !== paths.join('\0')) return false;
    const again = await digestOfStream(create(treeOptions(folder), paths));
    return again === (await digestOfStream(createReadStream(archive)));
  } catch (error) {
    if (error instanceof StowageError) throw error;
    // A file that is gone, or a folder in its place.
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemCode(error) ?? '')) return false;
    throw ioError(error, folder);
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((each) => !each.isDirectory());
  return bytewise(files.map((each) => relative(folder, join(each.parentPath, each.name))));
}

/** Every folder that contains one of the files, below the folder of the archive. */
function foldersOf(paths: readonly string[]): Set<string> {
  const folders = new Set<string>();
  for (let path of paths)
    for (path = dirname(path); path !== '.' && !folders.has(path); path = dirname(path))
      folders.add(path);
  return folders;
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
    if (total > size) throw refused('more than its own size: it is compressed or truncated');
    entry.resume();
  };
  // Written in a loop, so that an error of `look` is thrown here and not in the callback of a stream.
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

/** An entry of a foreign archive; its name is not validated. */
export interface ForeignEntry {
  readonly path: string;
  readonly type: 'file' | 'folder' | 'other';
  readonly size: number;
  readonly mode: number;
}

/** Receives the content of an entry in chunks. */
export interface EntryReader {
  write(chunk: Buffer): void;
  end(): void;
}

/**
 * Reads a foreign uncompressed tar as a stream, such as a layer of an image. Writes nothing to disk.
 * @param look called for each entry, in order; returns undefined to skip its content
 * @throws StowageError `archive-refused` for an invalid header, a truncated archive or too many entries; and any error
 * of the source or of `look`
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
      // Any other warning is about an entry that was read anyway.
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
  if (defect !== undefined || open) throw refused(defect ?? 'a truncated entry');
  if (!ended && total % BLOCK_BYTES !== 0) throw refused('a truncated header');
}

function entryType(type: string): ForeignEntry['type'] {
  if (type === 'File' || type === 'OldFile' || type === 'ContiguousFile') return 'file';
  return type === 'Directory' ? 'folder' : 'other';
}

async function translate(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    if (cause instanceof StowageError) throw cause;
    throw refused(messageOf(cause), cause);
  }
}

function refused(found: string, cause?: unknown): StowageError {
  return new StowageError(
    'archive-refused',
    'an archive of files is not in the format that Stowage writes',
    {
      expected: 'regular files with safe names, no duplicates',
      found,
      hint: 'do not use this bundle; ask the release engineer for another copy',
      cause,
    },
  );
}
