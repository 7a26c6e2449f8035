import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MAX_PATH_DEPTH } from '../../src/core/limits.ts';
import { listMedia } from '../../src/io/media.ts';
import { expectCode } from '../support/error.ts';
import { temporaryFolder } from '../support/folder.ts';
import { skipBecause } from '../support/skip-because.ts';

const root = temporaryFolder();

describe('when media are listed', () => {
  it('distinguishes files from everything else and follows no link', async () => {
    const at = join(root, 'mixed');
    await mkdir(join(at, 'a/b'), { recursive: true });
    await mkdir(join(at, 'empty'));
    await writeFile(join(at, 'a/b/file'), '');
    await writeFile(join(at, '.hidden'), '');
    await symlink('a', join(at, 'link-to-folder'));
    await symlink('a/b/file', join(at, 'link-to-file'));
    await symlink('/', join(at, 'a/link-to-root'));
    execFileSync('mkfifo', [join(at, 'pipe')]);
    const server = createServer().listen(join(at, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    const found = await listMedia(at);
    server.close();
    expect(found.toSorted((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
      { path: '.hidden', kind: 'file' },
      { path: 'a', kind: 'folder' },
      { path: 'a/b', kind: 'folder' },
      { path: 'a/b/file', kind: 'file' },
      { path: 'a/link-to-root', kind: 'other' },
      { path: 'empty', kind: 'folder' },
      { path: 'link-to-file', kind: 'other' },
      { path: 'link-to-folder', kind: 'other' },
      { path: 'pipe', kind: 'other' },
      { path: 'socket', kind: 'other' },
    ]);
  });

  it('lists devices as other', async (test) => {
    if (process.getuid?.() !== 0) skipBecause(test, 'only root can make a device');
    const at = join(root, 'devices');
    await mkdir(at);
    execFileSync('mknod', [join(at, 'null'), 'c', '1', '3']);
    expect(await listMedia(at)).toEqual([{ path: 'null', kind: 'other' }]);
  });

  it.each([
    ['that is not there', 'gone'],
    ['that is a file', 'file'],
    ['that is a pipe', 'pipe'],
  ])('refuses a folder %s', async (_, name) => {
    await writeFile(join(root, 'file'), '');
    if (name === 'pipe') execFileSync('mkfifo', [join(root, 'pipe')]);
    await expectCode(() => listMedia(join(root, name)), 'bundle-absent');
  });

  it('reads folders to the maximum depth and no deeper', async () => {
    const at = join(root, 'deep');
    await mkdir(join(at, ...Array.from({ length: MAX_PATH_DEPTH }, () => 'd')), {
      recursive: true,
    });
    expect(await listMedia(at)).toHaveLength(MAX_PATH_DEPTH);
    await mkdir(join(at, ...Array.from({ length: MAX_PATH_DEPTH + 1 }, () => 'd')));
    await expectCode(() => listMedia(at), 'file-unexpected');
  });
});
