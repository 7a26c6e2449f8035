import { describe, expect, it } from 'vitest';
import { evenColumns } from '../../../src/build/parity.ts';
import { KIB, MIB } from '../../../src/core/limits.ts';
import { MEDIA, requirePartsFit, splitParts } from '../../../src/io/discs/disc-split.ts';
import { expectCode } from '../../support/error.ts';

const CLUSTER = 32 * KIB;
/** A disc with this space for parts, besides two control files of one cluster each. */
const discOf = (space: number): { discSize: number; control: number[] } => ({
  discSize: Math.ceil((space + MIB + MIB / 2 + 2 * CLUSTER) / 0.995),
  control: [1, CLUSTER],
});
const parts = (...sizes: readonly number[]): { path: string; size: number }[] =>
  sizes.map((size, index) => ({ path: `blobs/sha256/${index}`, size }));

describe('when parts are split across discs', () => {
  it.each<[string, number, readonly number[], number[]]>([
    ['nothing', MIB, [], [0]],
    ['one that just fits', MIB, [MIB], [1]],
    ['two that just fit together', 2 * MIB, [MIB, MIB], [2]],
    ['two of which the second is a byte too large', 2 * MIB, [MIB + 1, MIB], [1, 1]],
    ['small ones, each a whole cluster', 3 * CLUSTER, [1, 1, 1, 1], [3, 1]],
    ['empty ones, which take nothing', CLUSTER, [0, 1, 0, 1], [3, 1]],
    ['in their order, though another would fill better', 3 * MIB, [2 * MIB, 2 * MIB, MIB], [1, 2]],
  ])('splits %s', (_, space, sizes, counts) => {
    expect(splitParts(parts(...sizes), discOf(space))).toEqual(counts);
  });

  it.each<[string, number]>([
    ['the largest part by a cluster', 2 * MIB - CLUSTER],
    ['anything', -MIB],
  ])('refuses a disc that cannot hold %s, and states the minimum size', async (_, space) => {
    const disc = discOf(space);
    const error = await expectCode(() => splitParts(parts(MIB, 2 * MIB), disc), 'disc-too-small');
    const [, needed] = /at least .*?(\d+) bytes\):/.exec(error.expected ?? '') ?? [];
    expect(splitParts(parts(MIB, 2 * MIB), { ...disc, discSize: Number(needed) })).toEqual([1, 1]);
    expect(() => splitParts(parts(2 * MIB), { ...disc, discSize: Number(needed) - 2 })).toThrow();
  });

  it('checks that a given split fits', async () => {
    requirePartsFit([parts(MIB, MIB), parts(MIB)], discOf(2 * MIB));
    await expectCode(
      () => requirePartsFit([parts(MIB, MIB, 1)], discOf(2 * MIB)),
      'disc-too-small',
    );
  });

  it('knows media by name, with less than their nominal capacity', () => {
    expect(MEDIA).toMatchObject({ dvd: 2_295_104 * 2048, 'dvd-dl': 4_171_712 * 2048 });
    expect(MEDIA).toMatchObject({ bd: 12_219_392 * 2048, 'bd-dl': 24_438_784 * 2048 });
    expect(MEDIA['bd25']).toBeGreaterThan(25e9);
    expect(MEDIA['dvd']).toBeLessThan(4.71e9);
  });
});

describe('when parts are cut into columns', () => {
  const sum = (counts: readonly number[]): number => counts.reduce((all, each) => all + each, 0);

  it.each([
    ['one part', [5], [1]],
    ['equal parts, fewer than columns', [5, 5, 5], [1, 1, 1]],
    ['empty ones beside a full one', [0, 0, 7, 0], undefined],
  ] as const)('cuts %s', (_, sizes, expected) => {
    const counts = evenColumns(parts(...sizes));
    expect(sum(counts)).toBe(sizes.length);
    expect(counts.every((count) => count > 0)).toBe(true);
    if (expected !== undefined) expect(counts).toEqual(expected);
  });

  it('makes twenty columns of about equal bytes', () => {
    const counts = evenColumns(parts(...Array.from({ length: 1000 }, () => MIB)));
    expect(counts).toEqual(Array.from({ length: 20 }, () => 50));
  });
});
