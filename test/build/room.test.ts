import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bundleNeeds, requireRoom } from '../../src/build/room.ts';
import type { Common } from '../../src/content/increment.ts';
import { lockBlobs } from '../../src/content/items.ts';
import { digestOf, type Sri, sriOf } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { exactBytes } from '../../src/core/text.ts';
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

describe('when disk space is checked', () => {
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
      expect(error.found).toBe('1 byte missing');
      expect(error.defects[0]).toContain(
        `${exactBytes(all + tree)} for the store and ${exactBytes(all + spare)} for the bundle`,
      );
    }
    expect(await exists(store.root)).toBe(false);
  });

  it('does not count what the store already has', async () => {
    const store = await storeOf(join(root, 'full'), blobs);
    await requireRoom(lock, { store, free: async () => 0 });
  });

  it('checks two file systems separately', async () => {
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
    expect(error.defects[0]).toContain(
      `${exactBytes(all + spare - 10)} missing on the file system of /dev/shm`,
    );
  });
});

describe('when a bundle has recovery parts and discs', () => {
  const needs = (shape: Partial<Parameters<typeof bundleNeeds>[1]>): Promise<number> =>
    bundleNeeds(lock, { store: empty(), ...shape });
  const plain = all + spare;
  const installer = { platform: 'linux/amd64', path: 'stowage-linux-x64', folder: '/' };

  it('counts a recovery row as the longest column', async () => {
    // 3 MiB in one part, and a few hundred bytes.
    expect(await needs({ partSize: 4 * MIB, parity: 2 })).toBe(plain + 2 * 3 * MIB);
  });

  it('counts installers once in the bundle, and once on each disc', async () => {
    const installers = [{ ...installer, size: 10 * MIB }];
    expect(await needs({ installers })).toBe(plain + 10 * MIB);
    const discs = { size: 40 * MIB, parity: false };
    const dealt = await needs({ installers, discs, partSize: 4 * MIB });
    expect(dealt).toBeGreaterThan(plain + 2 * 10 * MIB);
    expect(dealt).toBeLessThan(plain + 2 * 10 * MIB + 2 * MIB);
  });

  it('counts a disc for each recovery row with its own disc', async () => {
    const discs = { size: 16 * MIB, parity: true };
    const dealt = await needs({ discs, parity: 2, partSize: 4 * MIB });
    expect(dealt).toBeGreaterThanOrEqual(plain + 2 * all);
    expect(dealt).toBeLessThan(plain + 2 * all + 4 * MIB);
  });

  it('leaves the check of the disc size to the split', async () => {
    expect(await needs({ discs: { size: MIB, parity: false } })).toBe(plain);
  });

  it('checks the space before the first download', async () => {
    const store = await storeOf(join(root, 'packed'), blobs);
    const output = join(root, 'with-parity');
    const error = await expectCode(
      () => requireRoom(lock, { store, output, parity: 1, free: async () => plain }),
      'space-insufficient',
    );
    expect(error.found).toBe(`3.0 MiB (${3 * MIB} bytes) missing`);
  });
});

describe('when parts of a changed file are left out', () => {
  const PART = 4 * MIB;
  const { lock, blobs } = sampleOf(3 * PART);
  const bytes = blobs['weights'] ?? Buffer.alloc(0);
  const weights = digestOf(bytes);
  const [first, , third] = [0, 1, 2].map((at) =>
    sriOf(bytes.subarray(at * PART, (at + 1) * PART)),
  ) as [Sri, Sri, Sri];
  const sites = (held: readonly Sri[], blob = false): Common => ({
    hasBlob: (digest) => blob && digest === weights,
    hasPart: (sum) => held.includes(sum),
    hasParts: held.length > 0,
    needsInstaller: () => true,
  });
  const whole = [...lockBlobs(lock).values()].reduce((sum, size) => sum + size, 0) + spare;
  /** A file of the model that is too small for recorded checksums. */
  const card = blobs['card']?.length ?? 0;

  it.each<[string, Common, number]>([
    ['no part is at the sites', sites([]), 0],
    ['other parts are at the sites', sites(['sha512-other' as Sri]), card],
    ['two parts are at the sites', sites([first, third]), card + 2 * PART],
    ['the file is at the sites', sites([first], true), card + 3 * PART],
  ])('asks for what is written, and not for one byte more: %s', async (_, receivers, left) => {
    const store = await storeOf(mkdtempSync(join(root, 'held-')), blobs, true, PART);
    const output = join(root, 'increment');
    const ask = (free: number): Promise<void> =>
      requireRoom(lock, { store, output, partSize: PART, receivers, free: async () => free });
    await ask(whole - left);
    const error = await expectCode(() => ask(whole - left - 1), 'space-insufficient');
    expect(error.found).toBe('1 byte missing');
  });

  it('leaves it to the assembly where no checksums are recorded', async () => {
    const store = await storeOf(mkdtempSync(join(root, 'held-')), blobs);
    const needs = (partSize: number, receivers: Common): Promise<number> =>
      bundleNeeds(lock, { store, partSize, receivers });
    expect(await needs(2 * PART, sites([first]))).toBe(whole - card - 3 * PART);
    expect(await needs(2 * PART, sites([]))).toBe(whole);
  });
});
