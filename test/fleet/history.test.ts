import { describe, expect, it } from 'vitest';
import { alarmsOf, type HistoryPoint, newestOf, type OldKey } from '../../src/fleet/history.ts';
import { seededRandom } from '../lab/random.ts';
import { shuffled } from '../lab/simulated-fleet.ts';

/** A receipt of day D with so many ledger entries and a generation. */
function point(
  day: number,
  entries: number,
  generation: number,
  values: object = {},
): HistoryPoint {
  const at = `2026-01-${String(day).padStart(2, '0')}T00:00:00Z`;
  return {
    path: `receipts/vault/${day}-${entries}.json`,
    ...{ at, entries, generation, highest: generation, undone: false },
    head: `head ${entries}`,
    key: 'first',
    takenAt: '2026-06-01T00:00:00Z',
    takenBy: 'ledger/1.json',
    ...values,
  };
}

const kindsOf = (points: readonly HistoryPoint[], keys: readonly OldKey[] = []): string[] =>
  alarmsOf(points, keys).map(({ kind }) => kind);

describe('when the receipts of a site are compared', () => {
  it.each<[string, HistoryPoint[], string[]]>([
    ['nothing', [], []],
    ['one', [point(1, 7, 3)], []],
    ['each longer than the one before', [point(1, 2, 1), point(2, 4, 2), point(3, 5, 2)], []],
    ['two statements of one state', [point(1, 2, 1), point(2, 2, 1)], []],
    ['two heads of one length', [point(1, 2, 1), point(2, 2, 1, { head: 'x' })], ['two-histories']],
    [
      'two histories over several receipts: one alarm',
      [
        ...[point(1, 2, 1), point(2, 4, 2)],
        ...[point(1, 2, 1, { head: 'x', path: 'x' }), point(2, 4, 2, { head: 'y', path: 'y' })],
      ],
      ['two-histories'],
    ],
    ['a shorter ledger later', [point(1, 9, 4), point(2, 5, 4)], ['went-back']],
    [
      'a shorter ledger that grows again',
      [point(1, 9, 4), point(2, 5, 4), point(3, 6, 4)],
      ['went-back'],
    ],
    [
      'a ledger that went back twice',
      [point(1, 9, 1), point(2, 5, 1), point(3, 12, 1), point(4, 6, 1)],
      ['went-back', 'went-back'],
    ],
    ['a generation left out', [point(1, 2, 1), point(2, 6, 3)], ['gap']],
    [
      'a generation left out that was kept',
      [point(1, 2, 1), point(2, 6, 3, { highest: 3 })],
      ['gap'],
    ],
    [
      'a generation that an undone change used up',
      [point(1, 2, 1, { undone: true }), point(2, 6, 3)],
      [],
    ],
    [
      'a return to an earlier generation',
      [point(1, 6, 3), point(2, 8, 1, { highest: 3 }), point(3, 10, 4)],
      [],
    ],
    ['a first receipt of a late generation', [point(1, 60, 30), point(2, 62, 31)], []],
    [
      'a receipt from the future',
      [point(1, 2, 1), point(2, 4, 2, { at: '2027-01-01T00:00:00Z' })],
      ['future'],
    ],
    [
      'a clock that is an hour ahead when it is taken',
      [point(2, 4, 2, { at: '2026-06-01T01:00:00Z' })],
      [],
    ],
  ])('finds what is wrong with %s', (_, points, kinds) => {
    expect(kindsOf(points)).toEqual(kinds);
    const random = seededRandom(7);
    for (let round = 0; round < 5; round++)
      expect(kindsOf(shuffled(points, random))).toEqual(kinds);
  });

  it('names both documents', () => {
    const [first, second] = [point(1, 9, 4), point(2, 5, 4)];
    expect(alarmsOf([second, first], [])).toMatchObject([
      { first: first.path, second: second.path, text: expect.stringContaining('went back') },
    ]);
  });

  it('closes a gap when the missing receipt comes', () => {
    const points = [point(1, 2, 1), point(3, 6, 3)];
    expect(kindsOf(points)).toEqual(['gap']);
    expect(kindsOf([...points, point(2, 4, 2)])).toEqual([]);
  });

  it('names the generations of a gap', () => {
    const text = (to: number): string | undefined =>
      alarmsOf([point(1, 2, 1), point(2, 9, to)], [])[0]?.text;
    expect(text(3)).toBe('no receipt of generation 2 came home');
    expect(text(5)).toBe('no receipt of generations 2 to 4 came home');
  });

  it('reports a key that signs after it was given up, and not before', () => {
    const keys = [{ fingerprint: 'first', until: '2026-01-10T00:00:00Z', path: 'handover' }];
    const key = 'second';
    expect(kindsOf([point(9, 2, 1), point(11, 4, 2, { key })], keys)).toEqual([]);
    expect(alarmsOf([point(9, 2, 1), point(11, 4, 2)], keys)).toMatchObject([
      { kind: 'old-key', second: 'handover' },
    ]);
  });
});

describe('when the newest receipt of a site is asked for', () => {
  it('is the latest by its clock', () => {
    expect(newestOf([point(3, 6, 3), point(1, 2, 1)])?.entries).toBe(6);
  });

  it('is not one from the future, unless there is no other', () => {
    const future = point(1, 9, 9, { at: '2099-01-01T00:00:00Z' });
    expect(newestOf([future, point(3, 6, 3)])?.entries).toBe(6);
    expect(newestOf([future])?.entries).toBe(9);
    expect(newestOf([])).toBeUndefined();
  });
});
