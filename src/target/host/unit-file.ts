import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StowageError, systemCode } from '../../core/error.ts';
import { setMode } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';

/** Writes a unit file atomically. @throws StowageError `io-failed` */
export async function writeUnitFile(folder: string, name: string, text: string): Promise<void> {
  const temporary = join(folder, `.${name}.tmp`);
  try {
    await makeFolder(folder);
    const file = await open(temporary, 'w', 0o644);
    try {
      await setMode(file, 0o644);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(folder, name));
    await syncFolder(folder);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw unwritable(join(folder, name), cause);
  }
}

/** Removes a unit file and the leftovers of a killed {@link writeUnitFile}. @throws StowageError `io-failed` */
export async function removeUnitFile(folder: string, name: string): Promise<void> {
  try {
    await rm(join(folder, `.${name}.tmp`), { force: true });
    await rm(join(folder, name), { force: true });
  } catch (cause) {
    throw unwritable(join(folder, name), cause);
  }
}

/** Removes the folder of a unit's drop-in files. @throws StowageError `io-failed` */
export async function removeDropIns(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (cause) {
    throw unwritable(folder, cause);
  }
}

/** The text of a unit file, or undefined when there is none. @throws StowageError `io-failed` */
export async function readUnitFile(folder: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return undefined;
    throw unwritable(join(folder, name), cause);
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function unwritable(path: string, cause: unknown): StowageError {
  return new StowageError('io-failed', `cannot change the unit file ${path}`, {
    expected: 'a folder for units that this user can write to',
    found: systemCode(cause) ?? 'an unknown error',
    hint: 'check the free space and permissions of that folder, then run the same command again',
    cause,
  });
}
