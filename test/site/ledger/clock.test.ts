import { describe, expect, it } from 'vitest';
import { laterOf } from '../../../src/site/ledger/clock.ts';
import { context } from '../../support/context.ts';

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
