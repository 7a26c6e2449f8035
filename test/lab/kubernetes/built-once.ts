import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { defaultCacheDir } from '../server-image.ts';
import { holdLock } from './lock.ts';

/** The folder of the programs of clusters. */
const PARENT = join(defaultCacheDir, 'kubernetes');

/**
 * A folder of programs that are built once. Whoever asks meanwhile waits; of builds, only one runs at a time.
 * @param name follows from all that goes into the programs
 * @param build fills an empty folder
 */
export async function builtOnce(
  name: string,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const built = programsAt(name);
  if (existsSync(built)) return built;
  mkdirSync(PARENT, { recursive: true });
  const lock = await holdLock(join(PARENT, 'building.lock'), 'wait');
  const work = mkdtempSync(join(PARENT, '.building-'));
  try {
    if (existsSync(built)) return built;
    await build(work);
    renameSync(work, built);
  } finally {
    rmSync(work, { recursive: true, force: true });
    await lock.release();
  }
  return built;
}

/** Where the programs of a name lie, once they are built. */
export function programsAt(name: string): string {
  return join(PARENT, name);
}
