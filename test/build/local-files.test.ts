import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fetchInOrder } from '../../src/build/fetch.ts';
import { keepLocal } from '../../src/build/local-files.ts';
import { digestOf } from '../../src/core/digest.ts';
import { StowageError } from '../../src/core/error.ts';
import { readTree } from '../../src/io/archive.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { exists } from '../../src/io/file.ts';
import { Slots } from '../../src/io/queue.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';

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
