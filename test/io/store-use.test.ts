import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withSharedStoreLock } from '../../src/io/store-use.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let stores = 0;

const dead = '{"pid":4194304,"started":"long ago"}';
const hex = 'a'.repeat(64);

/** A store with what killed commands left. */
async function storeOf(): Promise<string> {
  const store = join(root, String(stores++));
  const left = {
    'runs/001122334455/aabbccddeeff': dead,
    'runs/001122334455.4194304.aabbccddeeff/aabbccddeeff': '{"pid"',
    'prune.lock.4194304.aabbccddeeff/aabbccddeeff': dead,
    [`incoming/${hex}.lock/aabbccddeeff`]: dead,
    [`incoming/${hex}.lock.aabbccddeeff/aabbccddeeff`]: dead,
    [`incoming/${hex}.partial`]: 'half',
    [`incoming/${hex}.spans`]: '0 4\n',
    'incoming/git-AbCdEf/tree/file': 'x',
    [`incoming/${hex}.0-1.tar`]: 'x',
    [`blobs/sha256/${hex}`]: 'blob',
    'blobs/sha256/.0011223344556677.tmp': 'half',
    [`sums/${hex}.json`]: '{}',
    [`sums/${hex}.json.0011223344556677.tmp`]: '{',
    'packages/.0011223344556677.tmp': '{',
  };
  for (const [path, text] of Object.entries(left)) {
    await mkdir(join(store, path, '..'), { recursive: true });
    await writeFile(join(store, path), text);
  }
  return store;
}

async function files(store: string): Promise<string[]> {
  const found = await readdir(store, { recursive: true, withFileTypes: true });
  return found
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).slice(store.length + 1))
    .toSorted();
}

const kept = [
  `blobs/sha256/${hex}`,
  `incoming/${hex}.partial`,
  `incoming/${hex}.spans`,
  `sums/${hex}.json`,
];

describe('when commands that used a store were killed', () => {
  it('removes what they left, but not the blobs that can be resumed', async () => {
    const store = await storeOf();
    await withSharedStoreLock(store, {}, async () => {});
    expect(await files(store)).toEqual(kept);
    expect(await readdir(join(store, 'runs'))).toEqual([]);
  });

  it('removes no temporary file while another command uses the store', async () => {
    const store = await storeOf();
    await withSharedStoreLock(store, {}, async () => {
      await writeFile(join(store, 'sums', 'b.json.0011223344556677.tmp'), '');
      await mkdir(join(store, 'incoming', 'git-GhIjKl'));
      await withSharedStoreLock(store, {}, async () => {});
      expect(await files(store)).toContain('sums/b.json.0011223344556677.tmp');
      expect(await readdir(join(store, 'incoming'))).toContain('git-GhIjKl');
    });
    await withSharedStoreLock(store, {}, async () => {});
    expect(await files(store)).toEqual(kept);
  });
});
