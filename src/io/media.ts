import { constants, type Dirent } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { StowageError, systemCode } from '../core/error.ts';
import { MAX_BUNDLE_FILES, MAX_PATH_DEPTH } from '../core/limits.ts';
import { ioError } from './file.ts';

/** An entry of a folder, with its relative path. */
export interface MediaEntry {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'other';
}

/**
 * Lists everything in a folder, recursively; a folder before its content. Follows no link.
 * @throws StowageError `bundle-absent`, `file-unexpected` for more files than a bundle can have, `io-failed`
 */
export async function listMedia(root: string): Promise<MediaEntry[]> {
  await requireFolder(root);
  const entries: MediaEntry[] = [];
  let files = 0;
  const visit = async (folder: string, depth: number): Promise<void> => {
    if (depth > MAX_PATH_DEPTH) throw overfull(`folders ${depth} deep`);
    for (const entry of await children(join(root, folder))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const isFolder = entry.isDirectory();
      entries.push({ path, kind: isFolder ? 'folder' : entry.isFile() ? 'file' : 'other' });
      if (!isFolder) files += 1;
      if (files > MAX_BUNDLE_FILES + 1000 || entries.length > 2 * MAX_BUNDLE_FILES)
        throw overfull(`over ${MAX_BUNDLE_FILES} files`);
      if (isFolder) await visit(path, depth + 1);
    }
  };
  await visit('', 0);
  return entries;
}

async function children(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw ioError(error, folder);
  }
}

async function requireFolder(root: string): Promise<void> {
  try {
    const handle = await open(root, constants.O_RDONLY | constants.O_DIRECTORY);
    await handle.close();
  } catch (cause) {
    const code = systemCode(cause) ?? 'an unknown error';
    const { found = code, hint } = absent[code] ?? { hint: 'check the disk or medium' };
    throw new StowageError('bundle-absent', `${root} is not a readable folder`, {
      expected: 'the folder of a bundle',
      found,
      hint,
      cause,
    });
  }
}

const absent: Readonly<Record<string, { readonly found?: string; readonly hint: string }>> = {
  ENOENT: {
    found: 'nothing',
    hint: 'check the spelling of the path, and that the medium is mounted',
  },
  ENOTDIR: { found: 'a file', hint: 'give the folder of the bundle, not a file in it' },
  EACCES: { found: 'no permission', hint: 'run as a user who may read the folder, or as root' },
};

function overfull(found: string): StowageError {
  return new StowageError(
    'file-unexpected',
    'the folder contains more files than a bundle can have',
    {
      expected: 'the files of one bundle',
      found,
      hint: 'give the folder of the bundle itself, not the medium or a folder above it',
    },
  );
}
