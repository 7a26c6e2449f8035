import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockBlobs } from '../../src/build/lock-blobs.ts';
import { requireRoom } from '../../src/build/room.ts';
import { MIB } from '../../src/core/limits.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { exists } from '../../src/io/file.ts';
import { expectCode } from '../support/error.ts';
import { temporaryFolder } from '../support/folder.ts';
import { sampleOf, storeOf } from './samples.ts';

const root = temporaryFolder();
const { lock, blobs } = sampleOf(3 * MIB);
const all = [...lockBlobs(lock).values()].reduce((sum, size) => sum + size, 0);
/** A folder is a tar before it is a blob. */
const tree = blobs['tree']?.length ?? 0;
const spare = 16 * MIB;
const empty = (): BlobStore => new BlobStore(join(root, 'store/that/is/not/there'));

describe('when room is asked for', () => {
  it.each([
    ['one byte too few', -1],
    ['just enough', 0],
  ])('for store and bundle on one file system, %s', async (_, more) => {
    const store = empty();
    const free = all + tree + all + spare + more;
    const ask = (): Promise<void> =>
      requireRoom(lock, { store, output: join(root, 'out'), free: async () => free });
    if (more === 0) await ask();
    else {
      const error = await expectCode(ask, 'space-insufficient');
      expect(error.found).toBe('1 bytes too few');
      expect(error.defects[0]).toContain(
        `${all + tree} bytes for the store and ${all + spare} bytes for the bundle`,
      );
    }
    expect(await exists(store.root)).toBe(false);
  });

  it('counts what the store has already as there', async () => {
    const store = await storeOf(join(root, 'full'), blobs);
    await requireRoom(lock, { store, free: async () => 0 });
  });

  it('asks each of two file systems for its own', async () => {
    const asked: string[] = [];
    const free = async (path: string): Promise<number> => {
      asked.push(path);
      return path.startsWith('/dev/shm') ? 10 : 10 ** 12;
    };
    const error = await expectCode(
      () => requireRoom(lock, { store: empty(), output: '/dev/shm/stowage-no-such/out', free }),
      'space-insufficient',
    );
    expect(asked).toHaveLength(2);
    expect(error.defects).toHaveLength(1);
    expect(error.defects[0]).toContain(`${all + spare - 10} bytes are missing where /dev/shm lies`);
  });
});
