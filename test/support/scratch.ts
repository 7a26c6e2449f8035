import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A temporary folder of one test file. */
export interface Scratch {
  readonly root: string;
  /** A path in it that nothing lies at. */
  fresh(name?: string): string;
  /** A copy of a folder, links kept as they are. */
  copy(folder: string): string;
}

/**
 * Called while a file's tests are collected; the folder goes when they ended.
 * @param small for a few megabytes at a time in very many files: kept in memory, where that is to be had
 */
export function scratchFolder(small = false): Scratch {
  const base = small && existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const root = mkdtempSync(join(base, 'stowage-test-'));
  let count = 0;
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const fresh = (name = 'x'): string => {
    count += 1;
    return join(root, `${count}-${name}`);
  };
  return {
    root,
    fresh,
    copy: (folder) => {
      const place = fresh('copy');
      cpSync(folder, place, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
      return place;
    },
  };
}
