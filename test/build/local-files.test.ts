import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fetchInOrder } from '../../src/build/fetch.ts';
import { inspectLocal, keepLocal, localChanges } from '../../src/build/local-files.ts';
import { digestOf } from '../../src/core/digest.ts';
import { type ErrorCode, StowageError } from '../../src/core/error.ts';
import { GIB, MAX_ARCHIVE_BYTES, MIB } from '../../src/core/limits.ts';
import { readTree } from '../../src/io/archive.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { exists } from '../../src/io/file.ts';
import { Slots } from '../../src/io/queue.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';
import { asNobody } from '../support/other-user.ts';
import { skipBecause } from '../support/skip-because.ts';

const root = temporaryFolder();
const { signal } = new AbortController();
const context = { signal, emit: (): void => {} };
let places = 0;
const fresh = (): string => join(root, String(places++));

describe('when local files are kept', () => {
  it('stores a folder as a tar that does not depend on its location and unpacks to the same files', async () => {
    const store = new BlobStore(fresh());
    const digests = [];
    for (const folder of [fresh(), fresh()]) {
      await mkdir(join(folder, 'below'), { recursive: true });
      await mkdir(join(folder, 'empty'));
      await writeFile(join(folder, 'a'), 'one');
      await writeFile(join(folder, 'below', 'b'), 'two');
      digests.push(await keepLocal(store, folder, context));
    }
    const [first] = digests;
    if (first === undefined) throw new Error('nothing kept');
    expect(digests).toEqual([first, first]);
    expect(first).toMatchObject({ kind: 'tree', size: await store.size(first.digest) });
    const into = fresh();
    await mkdir(into);
    await readTree(store.path(first.digest), into);
    expect(await contents(into)).toEqual({ a: 'one', 'below/b': 'two' });
    expect(await readdir(join(store.root, 'incoming'))).toEqual([]);
  });

  it('stores a file unchanged, and its new content after a change', async () => {
    const store = new BlobStore(fresh());
    const path = fresh();
    for (const text of ['before', 'after!', '']) {
      await writeFile(path, text);
      const digest = digestOf(Buffer.from(text));
      expect(await keepLocal(store, path, context)).toEqual({
        kind: 'file',
        digest,
        size: text.length,
      });
    }
  });

  it('refuses a folder without files, and leaves nothing in the store', async () => {
    const store = new BlobStore(fresh());
    const folder = fresh();
    await mkdir(join(folder, 'empty'), { recursive: true });
    await expectCode(() => keepLocal(store, folder, context), 'file-missing');
    expect(await exists(store.root)).toBe(false);
  });

  it('reports a missing path', async () => {
    await expectCode(() => keepLocal(new BlobStore(fresh()), fresh(), context), 'file-missing');
  });
});

/** Bytes that this process has read so far, from files and pipes alike (proc_pid_io(5)). */
const bytesRead = (): number =>
  Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1]);

describe('when a local source is refused by names, kinds, modes or sizes', () => {
  // A file of this size that is read can be told from everything else that the process reads.
  const LARGE = 3 * GIB;
  const large = async (folder: string, size = LARGE, name = 'weights'): Promise<void> => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, name), '');
    await truncate(join(folder, name), size);
  };
  /** The largest file that an archive with no other file can hold. */
  const MOST = MAX_ARCHIVE_BYTES - 3 * 512;

  it.each<[string, ErrorCode, (folder: string) => Promise<unknown>]>([
    ['a link', 'file-kind', (folder) => symlink('weights', join(folder, 'z'))],
    ['a broken link', 'file-kind', (folder) => symlink('nowhere', join(folder, 'z'))],
    ['a pipe', 'file-kind', async (folder) => execFileSync('mkfifo', [join(folder, 'z')])],
    ['a name with a colon', 'path-unsafe', (folder) => writeFile(join(folder, 'z:z'), '')],
    ['two names that are one', 'path-unsafe', (folder) => writeFile(join(folder, 'WEIGHTS'), '')],
    ['files too large together', 'content-refused', (folder) => large(folder, LARGE, 'more')],
    ['a file that is too large', 'content-refused', (folder) => large(folder, MOST + 1)],
    [
      'a file that leaves no room for a second',
      'content-refused',
      async (folder) => {
        await large(folder, MOST);
        await writeFile(join(folder, 'z'), '');
      },
    ],
  ])('reads no content and writes nothing: %s', async (_, code, add) => {
    const folder = fresh();
    await large(folder);
    await add(folder);
    const store = new BlobStore(fresh());
    const before = bytesRead();
    await expectCode(() => inspectLocal(folder), code);
    await expectCode(() => keepLocal(store, folder, context), code);
    expect(bytesRead() - before).toBeLessThan(64 * MIB);
    expect(await exists(store.root)).toBe(false);
  });

  it('accepts the largest file that an archive can hold', async () => {
    const folder = fresh();
    await large(folder, MOST);
    expect(await inspectLocal(folder)).toMatchObject({ kind: 'tree', size: MAX_ARCHIVE_BYTES });
  });

  it('names every file that this user cannot read, before it reads another', async (test) => {
    const folder = fresh();
    await large(folder);
    for (const name of ['x', 'y']) await writeFile(join(folder, name), '', { mode: 0 });
    execFileSync('chmod', ['755', root]);
    const script = `
      import { inspectLocal } from ${JSON.stringify(join(import.meta.dirname, '../../src/build/local-files.ts'))};
      try { await inspectLocal(${JSON.stringify(folder)}); } catch ({ code, defects }) { console.log(JSON.stringify({ code, defects })); }`;
    const before = process.getuid?.() === 0 ? asNobody : ['env'];
    const [command = '', ...args] = [...before, process.execPath, '--input-type=module', '-e'];
    const { stdout, stderr } = spawnSync(command, [...args, script], { encoding: 'utf8' });
    if (/EACCES|ERR_MODULE_NOT_FOUND/.test(stderr))
      skipBecause(test, 'only root can read the folder that the project lies in');
    expect(JSON.parse(stdout)).toEqual({ code: 'io-failed', defects: ['"x"', '"y"'] });
  });

  it('reads no file whose size alone shows that it changed', async () => {
    const store = new BlobStore(fresh());
    const path = fresh();
    await writeFile(path, 'before');
    const kept = await keepLocal(store, path, context);
    await truncate(path, LARGE);
    const before = bytesRead();
    expect(await localChanges(store, path, kept, signal)).toEqual([
      { path: '', expected: '6 bytes', found: expect.stringContaining('(3221225472 bytes)') },
    ]);
    expect(bytesRead() - before).toBeLessThan(64 * MIB);
  });
});

describe('when a blob is fetched', () => {
  const TEXT = Buffer.from('0123456789');
  const expected = { key: 'k', size: TEXT.length, digest: digestOf(TEXT) };
  const broken = (): StowageError =>
    new StowageError('source-unreachable', 'line broke', { hint: 'try again' });

  const transferOf = (store: BlobStore, until = signal): Parameters<typeof fetchInOrder>[0] => ({
    ...{ store, signal: until, emit: () => {}, connections: new Slots(1) },
  });

  it('does not retry a refused request', async () => {
    let asked = 0;
    const origin = {
      description: 'x',
      open: async (): Promise<AsyncIterable<Uint8Array>> => {
        asked++;
        throw new StowageError('source-denied', 'no', { hint: 'ask for access' });
      },
    };
    const store = new BlobStore(fresh());
    await expectCode(
      () => fetchInOrder(transferOf(store), expected, origin, () => {}),
      'source-denied',
    );
    expect(asked).toBe(1);
  });

  it('can be interrupted while waiting to retry, and keeps the received bytes', async () => {
    const stop = new AbortController();
    const origin = {
      description: 'x',
      open: async (): Promise<AsyncIterable<Uint8Array>> =>
        (async function* () {
          yield TEXT.subarray(0, 3);
          setTimeout(() => stop.abort(), 10);
          throw broken();
        })(),
    };
    const store = new BlobStore(fresh());
    let counted = 0;
    await expectCode(
      () =>
        fetchInOrder(transferOf(store, stop.signal), expected, origin, (bytes) => {
          counted += bytes;
        }),
      'interrupted',
    );
    expect(counted).toBe(0);
    expect(await contents(store.root)).toEqual({ 'incoming/k.partial': '012' });
  });
});
