import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { onTestFinished, type TestContext } from 'vitest';

const REASON = 'a full disk needs root and the right to mount a tmpfs';

/**
 * A file system in memory of a size such as `8m`, mounted at a folder until the test has ended. Where this user may not
 * mount it, the test counts as skipped, with the reason, which `scripts/count-tests.mjs` prints.
 */
export function smallDisk({ skip, task }: TestContext, folder: string, size: string): void {
  mkdirSync(folder, { recursive: true });
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  if (status !== 0) {
    Object.assign(task.meta, { reason: REASON });
    skip(REASON);
  }
  onTestFinished(() => {
    spawnSync('umount', ['--lazy', folder]);
  });
}
