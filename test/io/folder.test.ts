import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder, makeNewFolder, removeEmpty, syncFiles } from '../../src/io/folder.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();

describe('when a folder is made', () => {
  it('makes those above it with the same mode, and tells the uppermost', async () => {
    const at = scratch.fresh('a');
    const umask = process.umask(0o077);
    try {
      expect(await makeFolder(join(at, 'b/c'), 0o755)).toBe(at);
    } finally {
      process.umask(umask);
    }
    for (const each of [at, join(at, 'b'), join(at, 'b/c')])
      expect(statSync(each).mode & 0o777).toBe(0o755);
    expect(await makeFolder(join(at, 'b/c'))).toBeUndefined();
  });

  it('fails at once where nothing can be made', async () => {
    await expectCode(() => makeFolder('/proc/x/y'), 'io-failed');
  });

  it('fails where a file is in the way', async () => {
    const at = scratch.fresh('file');
    writeFileSync(at, '');
    for (const path of [at, join(at, 'x')]) {
      const { found } = await expectCode(() => makeFolder(path), 'file-missing');
      expect(found).toContain('a file where the path requires a folder');
    }
  });

  it('lets many make the same folder at once', async () => {
    const at = join(scratch.fresh('many'), 'a/b/c');
    await Promise.all(Array.from({ length: 20 }, () => makeFolder(at)));
    expect(statSync(at).isDirectory()).toBe(true);
  });

  it('refuses a new one that exists', async () => {
    const at = scratch.fresh('new');
    await makeNewFolder(at);
    await expectCode(() => makeNewFolder(at), 'io-failed');
  });
});

describe('when empty folders are removed', () => {
  it('goes up as far as they are empty', async () => {
    const at = scratch.fresh('up');
    mkdirSync(join(at, 'a/b/c'), { recursive: true });
    writeFileSync(join(at, 'a/kept'), '');
    await removeEmpty(join(at, 'a/b/c'), join(at, 'a'));
    expect(existsSync(join(at, 'a/b'))).toBe(false);
    expect(existsSync(join(at, 'a/kept'))).toBe(true);
  });
});

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
