import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listStore, prune } from '../../src/build/prune.ts';
import { digestHex, digestOf } from '../../src/core/digest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { withExclusiveStoreLock, withSharedStoreLock } from '../../src/io/store-use.ts';
import { expectCode } from '../support/error.ts';
import { contents, temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let stores = 0;
const [kept, other, coming] = ['kept', 'other', 'coming'].map((text) =>
  Buffer.from(text.repeat(100_000)),
);
const digest = (bytes: Buffer | undefined) => digestOf(bytes ?? Buffer.of());
const hex = (bytes: Buffer | undefined): string => digestHex(digest(bytes));

/** A store with two blobs, two partial downloads, and leftovers of killed runs. */
async function storeOf(): Promise<BlobStore> {
  const store = new BlobStore(join(root, String(stores++)));
  for (const bytes of [kept, other]) {
    const from = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes ?? Buffer.of();
    };
    await store.receive({ key: hex(bytes) }, async () => from());
  }
  const left = {
    'blobs/sha256/.0011223344556677.tmp': 'half',
    [`incoming/${hex(coming)}.partial`]: 'com',
    [`incoming/${hex(coming)}.spans`]: '0 3\n',
    'incoming/git-00.partial': 'x',
    [`incoming/${hex(other)}.lock.aabb/aabb`]: '{}',
    'sums/00.json': '{}',
  };
  for (const [path, text] of Object.entries(left)) {
    await mkdir(join(store.root, path, '..'), { recursive: true });
    await writeFile(join(store.root, path), text);
  }
  return store;
}

const paths = async (store: BlobStore): Promise<string[]> =>
  Object.keys(await contents(store.root));

describe('when a store is pruned', () => {
  it('keeps every blob if no lock is given, and deletes what interrupted runs left', async () => {
    const store = await storeOf();
    const { blobs, unfinished } = await prune(store, { dryRun: false });
    expect(blobs).toEqual([]);
    expect(unfinished).toHaveLength(3);
    const wanted = [kept, other].flatMap((each) => [
      `blobs/sha256/${hex(each)}`,
      `sums/${hex(each)}.json`,
    ]);
    const begun = [`incoming/${hex(coming)}.partial`, `incoming/${hex(coming)}.spans`];
    expect(await paths(store)).toEqual([...wanted, ...begun].sort());
  });

  it('keeps the blobs in the given locks, and their partial downloads', async () => {
    const store = await storeOf();
    const keep = new Set([digest(kept)]);
    const { blobs, bytes } = await prune(store, { dryRun: false, keep });
    expect(blobs).toEqual([digest(other)]);
    expect(bytes).toBeGreaterThan(0);
    expect(await paths(store)).toEqual([`blobs/sha256/${hex(kept)}`, `sums/${hex(kept)}.json`]);
  });

  it('deletes nothing in a dry run', async () => {
    const store = await storeOf();
    const before = await contents(store.root);
    const asked = await prune(store, { dryRun: true, keep: new Set() });
    expect(asked.blobs).toHaveLength(2);
    expect(await contents(store.root)).toEqual(before);
  });

  it('is refused while a run uses the store', async () => {
    const store = await storeOf();
    await withSharedStoreLock(store.root, {}, async () => {});
    const before = await paths(store);
    await withSharedStoreLock(store.root, {}, async () => {
      await expectCode(() => prune(store, { dryRun: false, keep: new Set() }), 'store-locked');
    });
    expect(await paths(store)).toEqual(before);
    expect(await readdir(join(store.root, 'runs'))).toEqual([]);
  });

  it('ignores a lock whose process no longer exists', async () => {
    const store = await storeOf();
    await mkdir(join(store.root, 'runs/00'), { recursive: true });
    await writeFile(join(store.root, 'runs/00/00'), '{"pid":4194304,"started":"then"}');
    await prune(store, { dryRun: false });
    expect(await readdir(join(store.root, 'runs'))).toEqual([]);
  });

  it('makes other runs wait until it has finished', async () => {
    const store = await storeOf();
    const order: string[] = [];
    let run = Promise.resolve();
    await withExclusiveStoreLock(store.root, async () => {
      run = withSharedStoreLock(store.root, {}, async () => void order.push('run'));
      await new Promise((wake) => setTimeout(wake, 50));
      order.push('emptied');
    });
    await run;
    expect(order).toEqual(['emptied', 'run']);
  });
});

describe('when a pruned store has package lists', () => {
  const noted = async (): Promise<BlobStore> => {
    const store = await storeOf();
    await mkdir(join(store.root, 'packages'));
    const notes = [hex(kept), hex(other), hex(coming)].map((each) => `${each}.1.json`);
    for (const name of [...notes, '.half.tmp'])
      await writeFile(join(store.root, 'packages', name), '{}');
    return store;
  };

  it('keeps those of remaining manifests, and deletes the others', async () => {
    const store = await noted();
    await prune(store, { dryRun: false, keep: new Set([digest(kept)]) });
    expect(await readdir(join(store.root, 'packages'))).toEqual([`${hex(kept)}.1.json`]);
  });

  it('keeps those of all blobs if no lock is given', async () => {
    const store = await noted();
    await prune(store, { dryRun: false });
    const left = [`${hex(kept)}.1.json`, `${hex(other)}.1.json`].toSorted();
    expect((await readdir(join(store.root, 'packages'))).toSorted()).toEqual(left);
  });

  it('deletes none in a dry run', async () => {
    const store = await noted();
    await prune(store, { dryRun: true, keep: new Set() });
    expect(await readdir(join(store.root, 'packages'))).toHaveLength(4);
  });
});

describe('when a store is listed', () => {
  it('lists blobs and the size of incomplete files', async () => {
    const { blobs, unfinishedBytes } = await listStore(await storeOf());
    expect(blobs.map((each) => each.size).toSorted()).toEqual([400_000, 500_000]);
    expect(unfinishedBytes).toBeGreaterThan(0);
    expect(await listStore(new BlobStore(join(root, 'none')))).toEqual({
      blobs: [],
      unfinishedBytes: 0,
    });
  });
});
