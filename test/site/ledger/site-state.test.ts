import { describe, expect, it } from 'vitest';
import type { LedgerEntry, LedgerEvent } from '../../../src/format/ledger.ts';
import { laterOf, stateOf } from '../../../src/site/ledger/site-state.ts';
import { context } from '../../support/context.ts';

const bundle = 'a'.repeat(128);

function entries(...events: readonly LedgerEvent[]): LedgerEntry[] {
  return events.map((event, index) => ({
    schema: 'stowage/ledger-entry/v2',
    number: index + 1,
    at: '2026-11-21T10:00:00Z',
    previous: bundle,
    event,
  }));
}

function accepted(seq: number, signedAt = '2026-11-20T00:00:00Z'): LedgerEvent {
  return {
    kind: 'accepted',
    product: 'chat',
    channel: 'stable',
    version: '1.0.0',
    seq,
    bundle,
    signedAt,
  };
}

function trusted(version: number, floor?: number): LedgerEvent {
  const seqFloor = floor === undefined ? {} : { seqFloor: { 'chat/stable': floor } };
  return { kind: 'trusted', version, digest: bundle, ...seqFloor };
}

const seqAfter = (...events: readonly LedgerEvent[]): number | undefined =>
  stateOf(entries(...events)).accepted[0]?.seq;

describe('when a ledger is summed up', () => {
  it('begins with nothing', () => {
    expect(stateOf([])).toEqual({
      accepted: [],
      floor: '1970-01-01T00:00:00Z',
      recalls: [],
      overrides: [],
      notices: [],
      promoted: [],
    });
  });

  it('keeps the newest signed time, whatever came last', () => {
    const two = entries(accepted(1, '2026-11-21T00:00:00Z'), accepted(2, '2026-11-20T00:00:00Z'));
    expect(stateOf(two).floor).toBe('2026-11-21T00:00:00Z');
  });

  const cases: readonly [string, readonly LedgerEvent[], number][] = [
    ['no floor leaves the number', [accepted(9), trusted(2)], 9],
    ['a new floor takes it back (attack 55)', [accepted(9000), trusted(2, 10)], 9],
    ['a floor at it takes it back by one', [accepted(10), trusted(2, 10)], 9],
    ['a floor above it leaves it', [accepted(5), trusted(2, 10)], 5],
    ['what came after it counts again', [accepted(9000), trusted(2, 10), accepted(11)], 11],
    ['the same floor again changes nothing', [trusted(1, 10), accepted(12), trusted(2, 10)], 12],
    ['another floor takes it back again', [trusted(1, 10), accepted(12), trusted(2, 11)], 10],
  ];
  it.each(cases)('%s', (_, events, expected) => {
    expect(seqAfter(...events)).toBe(expected);
  });

  it('knows of no recall where nothing was recalled', () => {
    expect(stateOf(entries(trusted(1), accepted(1))).recalls).toEqual([]);
  });

  it('keeps a recall once', () => {
    const recalled: LedgerEvent = {
      kind: 'recalled',
      release: 'chat',
      versions: '1.x',
      reason: 'x',
      bundle,
    };
    expect(stateOf(entries(recalled, recalled)).recalls).toHaveLength(1);
  });
});

const floor = '2026-11-21T10:00:00Z';
const at = (ms: number): Date => new Date(Date.parse(floor) + ms);

describe('when a clock is compared with signed times', () => {
  it.each([
    ['a day ahead', 86_400_000],
    ['a millisecond ahead', 1],
    ['at that very moment', 0],
  ])('believes a clock %s', (_, ms) => {
    const { emit, events } = context();
    expect(laterOf(at(ms), floor, emit)).toEqual(at(ms));
    expect(events).toEqual([]);
  });

  it.each([
    ['a millisecond behind', -1],
    ['at the beginning of time', -Date.parse(floor)],
  ])('takes the signed time for now where it is %s, and says so (attack 57)', (_, ms) => {
    const { emit, events } = context();
    expect(laterOf(at(ms), floor, emit)).toEqual(at(0));
    expect(events).toMatchObject([{ type: 'warning' }]);
    expect(JSON.stringify(events)).toContain(at(ms).toISOString());
  });
});
