import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { syncFiles } from '../../src/io/sync-files.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();

describe('when files are synced together', () => {
  it.each([0, 1, 40])('syncs %i files', async (count) => {
    const folder = scratch.fresh();
    await mkdir(folder);
    const paths = Array.from({ length: count }, (_, index) => join(folder, `${index}`));
    for (const path of paths) writeFileSync(path, 'x');
    await expect(syncFiles(folder, paths)).resolves.toBeUndefined();
  });

  it('syncs each file where the file system cannot be synced, and names a missing one', async () => {
    const folder = scratch.fresh('gone');
    const paths = Array.from({ length: 40 }, (_, index) => join(folder, `${index}`));
    await expectCode(() => syncFiles(folder, paths), 'file-missing');
  });
});
