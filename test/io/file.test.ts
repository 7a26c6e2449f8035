import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, StowageError } from '../../src/core/error.ts';
import {
  appendLine,
  exists,
  ioError,
  readBounded,
  remove,
  renameIntoPlace,
  statusOf,
  writeAtomic,
  writeNew,
} from '../../src/io/file.ts';
import { readBoundedSync } from '../../src/io/file-sync.ts';
import { makeFolder, requireSpace } from '../../src/io/folder.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let folders = 0;
async function folder(): Promise<string> {
  const path = join(root, String(folders++));
  await mkdir(path);
  return path;
}

describe.each([
  ['readBounded', readBounded],
  [
    'readBoundedSync',
    async (path: string, limit: number): Promise<Buffer> => readBoundedSync(path, limit),
  ],
])('when a file is read with a size limit by %s', (_, read) => {
  it.each([
    [0, 0],
    [1, 1],
    [9, 10],
    [10, 10],
  ])('gives %i bytes of at most %i', async (size, limit) => {
    const path = join(await folder(), 'a');
    await writeFile(path, 'x'.repeat(size));
    expect((await read(path, limit)).toString()).toBe('x'.repeat(size));
  });

  it.each([
    [11, 10],
    [1, 0],
  ])('refuses %i bytes of at most %i', async (size, limit) => {
    const path = join(await folder(), 'a');
    await writeFile(path, 'x'.repeat(size));
    await expectCode(() => read(path, limit), 'io-failed');
  });

  it('refuses a link, dangling or not', async () => {
    const at = await folder();
    await writeFile(join(at, 'file'), 'x');
    await symlink('file', join(at, 'link'));
    await symlink('gone', join(at, 'dangling'));
    for (const name of ['link', 'dangling'])
      await expectCode(() => read(join(at, name), 10), 'file-kind');
  });

  it('refuses a pipe without a writer immediately', async () => {
    const path = join(await folder(), 'pipe');
    execFileSync('mkfifo', [path]);
    await expectCode(() => read(path, 10), 'file-kind');
  });

  it.each(['/dev/zero', '/dev/null', '/'])('refuses %s', async (path) => {
    await expectCode(() => read(path, 10), 'file-kind');
  });

  it('refuses a file that is longer than its reported size', async () => {
    expect((await stat('/proc/self/status')).size).toBe(0);
    await expectCode(() => read('/proc/self/status', 100_000), 'io-failed');
  });

  it.each(['gone', 'file/below'])('reports that %s does not exist', async (name) => {
    const at = await folder();
    await writeFile(join(at, 'file'), 'x');
    await expectCode(() => read(join(at, name), 10), 'file-missing');
  });
});

describe('when a file is written atomically', () => {
  it('replaces an existing file, with the requested mode', async () => {
    const at = await folder();
    await writeFile(join(at, 'a'), 'old');
    await writeAtomic(join(at, 'a'), Buffer.from('new'), 0o600);
    expect(await contents(at)).toEqual({ a: 'new' });
    expect((await stat(join(at, 'a'))).mode & 0o777).toBe(0o600);
  });

  it('replaces a link and not its target', async () => {
    const at = await folder();
    await writeFile(join(at, 'target'), 'old');
    await symlink('target', join(at, 'link'));
    await writeAtomic(join(at, 'link'), Buffer.from('new'));
    expect(await contents(at)).toEqual({ target: 'old', link: 'new' });
  });

  it('leaves no temporary file when a folder has that name', async () => {
    const at = await folder();
    await mkdir(join(at, 'a'));
    await expectCode(() => writeAtomic(join(at, 'a'), Buffer.from('new')), 'io-failed');
    expect(await readdir(at)).toEqual(['a']);
  });

  it('leaves nothing when the folder does not exist', async () => {
    const at = await folder();
    await expectCode(() => writeAtomic(join(at, 'gone', 'a'), Buffer.from('x')), 'file-missing');
    expect(await readdir(at)).toEqual([]);
  });
});

describe('when a file must be new', () => {
  it('refuses an existing path, even a dangling link', async () => {
    const at = await folder();
    await symlink('gone', join(at, 'link'));
    await writeFile(join(at, 'file'), 'old');
    for (const name of ['link', 'file']) {
      const error = await expectCode(
        () => writeNew(join(at, name), Buffer.from('x')),
        'output-exists',
      );
      expect(error.found).toBe('a file or folder');
    }
    expect(await contents(at)).toEqual({ file: 'old', link: 'no file' });
  });

  it('appends lines to it', async () => {
    const path = join(await folder(), 'log');
    await appendLine(path, 'one');
    await appendLine(path, 'two');
    expect(await readFile(path, 'utf8')).toBe('one\ntwo\n');
  });
});

describe('when space is required', () => {
  it('distinguishes too little from enough', async () => {
    await expectCode(() => requireSpace(root, Number.MAX_SAFE_INTEGER), 'space-insufficient');
    await requireSpace(root, 1);
  });

  it('reports a full device', async () => {
    await expectCode(() => appendLine('/dev/full', 'x'), 'space-insufficient');
  });
});

describe('when something exists', () => {
  it('counts a dangling link, and not a path below a file', async () => {
    const at = await folder();
    await symlink('gone', join(at, 'link'));
    await writeFile(join(at, 'file'), '');
    const found = ['link', 'file', 'gone', 'file/below'].map((name) => exists(join(at, name)));
    expect(await Promise.all(found)).toEqual([true, true, false, false]);
  });

  it('has the status of a link itself, and none where a given error means absence', async () => {
    const at = await folder();
    await symlink('loop', join(at, 'loop'));
    expect((await statusOf(join(at, 'loop')))?.isSymbolicLink()).toBe(true);
    const below = join(at, 'loop/below');
    expect(await statusOf(below, ['ELOOP'])).toBeUndefined();
    await expectCode(() => statusOf(below), 'file-kind');
  });

  it('is removed with its content, including read-only files, twice', async () => {
    const at = await folder();
    await makeFolder(join(at, 'a/b'));
    await writeFile(join(at, 'a/b/c'), '');
    await chmod(join(at, 'a/b/c'), 0o444);
    await remove(join(at, 'a'));
    await remove(join(at, 'a'));
    expect(await readdir(at)).toEqual([]);
  });

  it('is not replaced by a folder if it is not empty', async () => {
    const at = await folder();
    await makeFolder(join(at, 'new'));
    await makeFolder(join(at, 'old/in'));
    await expectCode(() => renameIntoPlace(join(at, 'new'), join(at, 'old')), 'io-failed');
    expect(await readdir(at)).toEqual(['new', 'old']);
  });
});

describe('when the system fails', () => {
  it.each<[string, ErrorCode]>([
    ['ENOENT', 'file-missing'],
    ['ENOTDIR', 'file-missing'],
    ['ENOSPC', 'space-insufficient'],
    ['EDQUOT', 'space-insufficient'],
    ['ELOOP', 'file-kind'],
    ['EIO', 'io-failed'],
    ['EACCES', 'io-failed'],
    ['EROFS', 'io-failed'],
    ['EFBIG', 'io-failed'],
    ['EXDEV', 'io-failed'],
    ['EMFILE', 'io-failed'],
  ])('says of %s: %s', (code, ours) => {
    const cause = Object.assign(new Error('x'), { code });
    const error = ioError(cause, '/a');
    expect(error).toBeInstanceOf(StowageError);
    expect(error).toMatchObject({ code: ours, cause });
  });

  it('returns every other error unchanged', () => {
    const errors = [new Error('x'), new StowageError('internal', 'x', { hint: 'y' }), 'text'];
    for (const error of errors) expect(ioError(error, '/a')).toBe(error);
  });
});
