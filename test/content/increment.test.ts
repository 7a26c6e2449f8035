import { beforeAll, describe, expect, it } from 'vitest';
import { commonTo, incrementOf, type Receiver, weightsOf } from '../../src/content/increment.ts';
import type { Digest, Sri } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { allParts, type Bundle, bundleFiles, totalSize } from '../../src/format/bundle.ts';
import type { Part } from '../../src/format/part.ts';
import { hostPlatform } from '../../src/target/host/platform.ts';
import { scratchFolder } from '../support/scratch.ts';
import { smallBundle } from '../support/small-bundle.ts';

const scratch = scratchFolder();
let bundle: Bundle;

beforeAll(async () => {
  const shape = { partSize: 4 * MIB, weights: 17 * MIB, parity: 1, installer: true };
  ({ bundle } = await smallBundle({ ...shape, place: scratch.fresh() }));
});

const all = (): Digest[] => bundle.blobs.map(({ digest }) => digest);
const weights = (): Digest => bundle.models[0]?.files[0]?.digest as Digest;

function receiver(blobs: readonly Digest[], changes: Partial<Receiver> = {}): Receiver {
  return {
    site: 'vault',
    platform: hostPlatform(),
    blobs: new Set(blobs),
    parts: new Set(),
    unknown: [],
    ...changes,
  };
}

const partsOf = (digest: Digest): readonly Part[] =>
  bundle.blobs.find((each) => each.digest === digest)?.parts ?? [];
const installer = (): string => bundle.installers?.[0]?.path ?? '';
const held = (): Partial<Receiver> => ({
  installers: new Set(bundle.installers?.map(({ sha512 }) => sha512)),
});

describe('when it is decided what travels', () => {
  it('is everything for a site that stores nothing', () => {
    const { omitted, bytes, total } = incrementOf(bundle, commonTo([receiver([])]));
    expect([...omitted]).toEqual([]);
    expect(bytes).toBe(total);
    expect(total).toBe(totalSize(bundleFiles(bundle)));
  });

  it('is the control files alone for a site that stores everything', () => {
    const { omitted, bytes } = incrementOf(bundle, commonTo([receiver(all(), held())]));
    expect(omitted).toEqual(new Set([installer(), ...allParts(bundle).map(({ path }) => path)]));
    expect(bytes).toBe(totalSize(bundle.control));
  });

  it('is what one of several sites lacks', () => {
    const sites = [receiver(all(), held()), receiver([weights()], held())];
    const { omitted } = incrementOf(bundle, commonTo(sites));
    const parts = bundle.blobs.find(({ digest }) => digest === weights())?.parts ?? [];
    for (const { path } of parts) expect(omitted).toContain(path);
    const others = bundle.blobs.filter(({ digest }) => digest !== weights());
    for (const { path } of others.flatMap(({ parts: each }) => each))
      expect(omitted).not.toContain(path);
  });

  it.each<[string, () => Partial<Receiver>, boolean]>([
    ['has it', held, false],
    ['has another', () => ({ installers: new Set() }), true],
    ['does not say', () => ({}), true],
    ['runs on another platform', () => ({ platform: 'linux/other', installers: new Set() }), false],
  ])('the installer travels to a site that %s: %#', (_, changes, travels) => {
    const { omitted } = incrementOf(bundle, commonTo([receiver([], changes())]));
    expect(omitted.has(installer())).toBe(!travels);
  });

  it('leaves out the parts of models that it has in another file, and no other parts', () => {
    const sums = allParts(bundle).map(({ sha512 }) => sha512);
    const { omitted } = incrementOf(bundle, commonTo([receiver([], { parts: new Set(sums) })]));
    const parts = bundle.blobs
      .filter(({ digest }) => weightsOf(bundle).has(digest))
      .flatMap((blob) => blob.parts.map(({ path }) => path));
    expect(parts.length).toBeGreaterThan(5);
    expect(omitted).toEqual(new Set(parts));
  });

  it.each([
    ['every site has', 2, true],
    ['one site lacks', 1, false],
  ])('a part that %s: left out %s', (_, count, left) => {
    const [, second] = partsOf(weights());
    const parts = new Set([second?.sha512 as Sri]);
    const sites = [receiver([], { parts }), receiver([], count === 2 ? { parts } : {})];
    expect(incrementOf(bundle, commonTo(sites)).omitted.has(second?.path ?? '')).toBe(left);
  });

  it('keeps the recovery parts that a part that travels could need', () => {
    const { omitted } = incrementOf(bundle, commonTo([receiver([weights()])]));
    const recovery = bundle.parity?.rows.flat() ?? [];
    expect(recovery.length).toBeGreaterThan(0);
    expect(recovery.some(({ path }) => !omitted.has(path))).toBe(true);
  });
});
