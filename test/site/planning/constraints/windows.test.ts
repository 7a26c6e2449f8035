import { describe, expect, it } from 'vitest';
import {
  maintenanceWindows,
  suppressions,
} from '../../../../src/site/planning/constraints/windows.ts';
import { asking } from '../../../support/constraint-input.ts';

// Saturday, 10:00 UTC.
const now = new Date('2026-11-21T10:00:00Z');

describe('when a site has maintenance windows', () => {
  const windows = [
    { days: ['sat', 'sun'], from: '22:00', to: '04:00', timeZone: 'Europe/Berlin' },
    { from: '12:30', to: '13:00' },
  ];

  it('refuses outside of them, and says when the next opens', () => {
    expect(maintenanceWindows(asking({ settings: { windows }, now }))).toEqual([
      {
        rule: 'window',
        satisfied: false,
        needs:
          'a change begins in a maintenance window: sat sun 22:00 to 04:00 Europe/Berlin; daily 12:30 to 13:00 UTC',
        found:
          'Sat 11:00 in Europe/Berlin, Sat 10:00 in UTC; the next opens at 2026-11-21T12:30:00Z',
      },
    ]);
  });

  it('names the one that is open', () => {
    const at = new Date('2026-11-21T22:30:00Z');
    expect(maintenanceWindows(asking({ settings: { windows }, now: at }))).toMatchObject([
      { satisfied: true, found: 'open now: sat sun 22:00 to 04:00 Europe/Berlin' },
    ]);
  });

  it('needs the same whenever it is asked', () => {
    const needs = (at: Date): unknown =>
      maintenanceWindows(asking({ settings: { windows }, now: at }))[0]?.needs;
    expect(needs(new Date('2026-11-21T22:30:00Z'))).toBe(needs(now));
  });

  it('is asked nothing at a site without any', () => {
    expect(maintenanceWindows(asking())).toEqual([]);
  });
});

describe('when a site has a suppressed period', () => {
  const settings = {
    suppressions: [
      { from: '2026-11-21T10:00:00Z', until: '2026-11-22T00:00:00Z', reason: 'election' },
    ],
  };

  it.each([
    ['2026-11-21T09:59:59Z', true, 'not yet'],
    ['2026-11-21T10:00:00Z', false, 'it is 2026-11-21T10:00:00Z'],
    ['2026-11-21T23:59:59Z', false, 'it is 2026-11-21T23:59:59Z'],
    ['2026-11-22T00:00:00Z', true, 'over'],
  ])('at %s: %s', (at, satisfied, found) => {
    expect(suppressions(asking({ settings, now: new Date(at) }))).toEqual([
      {
        rule: 'suppression',
        satisfied,
        needs: 'no change begins from 2026-11-21T10:00:00Z until 2026-11-22T00:00:00Z: election',
        found,
      },
    ]);
  });
});
