import { describe, expect, it } from 'vitest';
import { inferMissingDiscs, type SeenDisc } from '../../../src/site/importing/missing-discs.ts';

const disc = (number: number, first: number, last: number, of = 5): SeenDisc => ({
  ...{ number, of, first, last },
});

describe('when discs are counted', () => {
  it.each<[string, readonly SeenDisc[], readonly number[], readonly number[]]>([
    ['between two that were seen', [disc(1, 0, 9), disc(3, 20, 29)], [10, 19], [2]],
    ['after the last that was seen', [disc(1, 0, 9), disc(3, 20, 29)], [30], [4, 5]],
    ['before the first', [disc(3, 20, 29)], [0], [1, 2]],
    ['on one that was seen and is damaged', [disc(2, 10, 19)], [12], [2]],
    ['everywhere', [disc(2, 10, 19)], [0, 15, 20], [1, 2, 3, 4, 5]],
    ['where a disc without parts says nothing', [{ number: 5, of: 5 }], [0], [1, 2, 3, 4, 5]],
  ])('finds what lies %s', (_, seen, missing, expected) => {
    expect(inferMissingDiscs(seen, missing)).toMatchObject({ of: 5, missing: expected });
  });

  it.each<[string, readonly SeenDisc[]]>([
    ['of two dealings', [disc(1, 0, 9), disc(2, 5, 12, 4)]],
    ['in the wrong order', [disc(2, 0, 9), disc(1, 10, 19)]],
    ['that overlap', [disc(1, 0, 9), disc(2, 9, 19)]],
    ['of one number with other contents', [disc(1, 0, 9), disc(1, 10, 19)]],
    ['that were never seen', []],
  ])('tells no number from discs %s', (_, seen) => {
    expect(inferMissingDiscs(seen, [30]).missing).toEqual([]);
  });
});
