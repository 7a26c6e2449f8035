import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { onTestFinished, type TestContext } from 'vitest';
import { skipBecause } from './skip-because.ts';

/**
 * A file system in memory of a size such as `8m`, mounted at a folder until the test has ended. Where this user may not
 * mount it, the test is skipped.
 */
export function smallDisk(test: TestContext, folder: string, size: string): void {
  mkdirSync(folder, { recursive: true });
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  if (status !== 0) skipBecause(test, 'a full disk needs root and the right to mount a tmpfs');
  onTestFinished(() => {
    spawnSync('umount', ['--lazy', folder]);
  });
}
