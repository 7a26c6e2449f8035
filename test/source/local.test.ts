import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localFile, localTree } from '../../src/source/local.ts';
import { run } from '../lab/process.ts';
import { drain, never } from '../net/server.ts';
import { expectCode } from '../support/error.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stowage-local-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, text = ''): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

describe('a file', () => {
  it.each([
    [0, '0123456789'],
    [4, '456789'],
    [10, ''],
  ])('is read from %i', async (offset, rest) => {
    write('file', '0123456789');
    const { size, origin } = await localFile(join(folder, 'file'));
    expect(size).toBe(10);
    expect((await drain(await origin.open(offset, never))).toString()).toBe(rest);
  });

  it('can be a symbolic link', async () => {
    write('blob', 'x');
    symlinkSync('blob', join(folder, 'file'));
    expect((await localFile(join(folder, 'file'))).size).toBe(1);
  });

  it('that is absent is missing', async () => {
    await expectCode(() => localFile(join(folder, 'absent')), 'file-missing');
    await expectCode(() => localFile(join(folder, 'absent', 'deeper')), 'file-missing');
  });

  it('that vanished in the meantime is missing', async () => {
    write('file', 'x');
    const { origin } = await localFile(join(folder, 'file'));
    rmSync(join(folder, 'file'));
    await expectCode(() => origin.open(0, never), 'file-missing');
  });

  it('that is a folder, a device or a pipe is refused', async () => {
    await run('mkfifo', [join(folder, 'pipe')]);
    for (const path of [folder, '/dev/zero', join(folder, 'pipe')]) {
      await expectCode(() => localFile(path), 'file-kind');
    }
  });

  it('is not read any further after an interruption', async () => {
    const controller = new AbortController();
    write('file', 'x');
    const { origin } = await localFile(join(folder, 'file'));
    const body = await origin.open(0, controller.signal);
    controller.abort();
    await expectCode(() => drain(body), 'interrupted');
    await expectCode(() => origin.open(0, controller.signal), 'interrupted');
  });
});

describe('a tree', () => {
  it('is sorted bytewise, regardless of the file system', async () => {
    for (const path of ['b', 'a/b', 'a.txt', 'a-b', 'C', 'é', 'a/a/deep', 'z']) write(path, path);
    mkdirSync(join(folder, 'empty'));
    const files = await localTree(folder);
    const sorted = ['C', 'a-b', 'a.txt', 'a/a/deep', 'a/b', 'b', 'z', 'é'];
    expect(files.map(({ path }) => path)).toEqual(sorted);
    expect(files[1]).toEqual({ path: 'a-b', size: 3, absolute: join(folder, 'a-b') });
  });

  it('that does not exist is missing, and a file is refused', async () => {
    write('file');
    await expectCode(() => localTree(join(folder, 'absent')), 'file-missing');
    await expectCode(() => localTree(join(folder, 'file')), 'file-kind');
  });

  it('with links and pipes is refused, and each is named', async () => {
    write('good');
    symlinkSync('/etc', join(folder, 'folder-link'));
    symlinkSync('good', join(folder, 'file-link'));
    await run('mkfifo', [join(folder, 'pipe')]);
    const error = await expectCode(() => localTree(folder), 'file-kind');
    expect([...error.defects].sort()).toEqual([
      'file-link: a link to "good"',
      'folder-link: a link to "/etc"',
      'pipe: not a file',
    ]);
  });

  it('with git-annex links explains how to get their content', async () => {
    const key = `SHA256E-s12345--${'a'.repeat(64)}.gguf`;
    symlinkSync(`.git/annex/objects/Xx/Yy/${key}/${key}`, join(folder, 'model.gguf'));
    const { defects } = await expectCode(() => localTree(folder), 'file-kind');
    expect(defects.join()).toContain('git annex get');
    const single = await expectCode(() => localFile(join(folder, 'model.gguf')), 'file-kind');
    expect(single.defects.join()).toContain('git annex get');
  });

  it('names the target of a broken link', async () => {
    symlinkSync('/absent/weights.gguf', join(folder, 'model.gguf'));
    const error = await expectCode(() => localFile(join(folder, 'model.gguf')), 'file-kind');
    expect(error.defects.join()).toContain('/absent/weights.gguf');
  });

  it.each([
    ['a\nb'],
    ['con'],
    ['ends.'],
    ['-option'],
    ['e\u0301'],
    ['con/inside'],
    ['Same', 'same'],
    ['dir/Same', 'dir/same'],
  ])('with %j is refused', async (...paths) => {
    for (const path of paths) write(path);
    const error = await expectCode(() => localTree(folder), 'path-unsafe');
    expect(error.defects).toHaveLength(1);
  });

  it('with a name that is not UTF-8 is refused', async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/x`), Buffer.from([0xff])]), '');
    await expectCode(() => localTree(folder), 'path-unsafe');
  });
});
