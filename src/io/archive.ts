import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { create, extract, list, type ReadEntry } from 'tar';
import { StowageError } from '../core/error.ts';
import { MAX_ARCHIVE_BYTES, MAX_ARCHIVE_ENTRIES } from '../core/limits.ts';
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
  const sorted = paths.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  await create(
    {
      file: archive,
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
    },
    sorted,
  );
}

/** Two names of one file are two files in the archive: how many links the file has here is this disk's affair. */
class NoLinks extends Map<`${number}:${number}`, string> {
  override get(): undefined {
    return undefined;
  }
}

/**
 * Unpacks an archive whose digest was checked before into a folder that exists and is empty. Every entry is
 * looked at before the first is written: regular files with safe names only, no name twice, bounded counts.
 * @throws StowageError `archive-refused`; the caller removes the folder
 */
export async function readTree(archive: string, folder: string): Promise<void> {
  const paths: string[] = [];
  let total = 0;
  const look = (entry: ReadEntry): void => {
    const defect = entry.type === 'File' ? pathDefect(entry.path) : `a ${entry.type}`;
    if (defect !== undefined) throw refused(`${JSON.stringify(entry.path)}: ${defect}`);
    paths.push(entry.path);
    total += entry.size;
    if (paths.length > MAX_ARCHIVE_ENTRIES) throw refused(`over ${MAX_ARCHIVE_ENTRIES} entries`);
    if (total > MAX_ARCHIVE_BYTES) throw refused(`over ${MAX_ARCHIVE_BYTES} bytes`);
  };
  await translate(() => list({ file: archive, strict: true, onReadEntry: look }));
  const collision = pathCollision(paths);
  if (collision !== undefined) throw refused(`${collision[0]} and ${collision[1]} are one file`);
  await translate(() =>
    extract({ file: archive, cwd: folder, strict: true, noMtime: true, umask: 0o022 }),
  );
  for (const path of paths) {
    const status = await lstat(join(folder, path));
    if (!status.isFile()) throw refused(`${path} was not unpacked as a file`);
  }
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
