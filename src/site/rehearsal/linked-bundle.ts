import { copyFile, link, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { signBundle } from '../../bundle/signing/sign.ts';
import { StowageError } from '../../core/error.ts';
import type { Trust } from '../../format/trust.ts';
import { ioError } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { rehearsalAuthority, SIGNATURE } from './throwaway-site.ts';

/**
 * Signs a bundle that need not be signed yet, with a key that nobody keeps, in folders beside its own, which have hard links to
 * the same files: where that is not possible, as on other file systems, they are copied. Its own folders are not written to.
 * @returns the folders to import, and the trust document that accepts them
 * @throws StowageError `file-kind` for what is neither a file nor a folder; `io-failed`
 */
export async function signedBeside(
  folders: readonly string[],
  work: string,
  now: Date,
): Promise<{ readonly folders: readonly string[]; readonly trust: Trust }> {
  const { release, trust } = rehearsalAuthority(now);
  const beside: string[] = [];
  for (const [index, folder] of folders.entries()) {
    const name = folders.length === 1 ? 'bundle' : basename(folder);
    const place = join(work, 'linked', String(index), name);
    await linkFolder(folder, place);
    await signBundle(place, SIGNATURE, release, now);
    beside.push(place);
  }
  return { folders: beside, trust };
}

async function linkFolder(from: string, to: string): Promise<void> {
  await makeFolder(to, 0o700);
  const entries = await readdir(from, { withFileTypes: true }).catch((error: unknown) => {
    throw ioError(error, from);
  });
  for (const entry of entries) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await linkFolder(source, target);
    else if (entry.isFile()) await linkFile(source, target);
    else
      throw new StowageError('file-kind', `${source} is not a regular file`, {
        expected: 'regular files and folders',
        found: 'a link or a special file',
        hint: 'pack the bundle again',
      });
  }
}

async function linkFile(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch {
    // Another file system, or a file of another user.
    await copyFile(source, target).catch((error: unknown) => {
      throw ioError(error, target);
    });
  }
}
