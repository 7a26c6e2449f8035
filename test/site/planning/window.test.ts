import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Window, weekdays } from '../../../src/format/site.ts';
import { isOpen, localText, nextOpening } from '../../../src/site/planning/window.ts';

const window = (values: Partial<Window>): Window => ({
  days: [...weekdays],
  from: '22:00',
  to: '04:00',
  timeZone: 'UTC',
  ...values,
});

describe('when a window is looked at', () => {
  const cases: readonly [string, Partial<Window>, string, boolean][] = [
    ['its first minute', { from: '10:00', to: '12:00' }, '2026-11-21T10:00:00Z', true],
    ['the minute before', { from: '10:00', to: '12:00' }, '2026-11-21T09:59:59Z', false],
    ['its last second', { from: '10:00', to: '12:00' }, '2026-11-21T11:59:59Z', true],
    ['its end', { from: '10:00', to: '12:00' }, '2026-11-21T12:00:00Z', false],
    ['another day', { days: ['sun'], from: '10:00', to: '12:00' }, '2026-11-21T10:00:00Z', false],
    ['the evening it begins', { days: ['sat'] }, '2026-11-21T23:00:00Z', true],
    ['the night after', { days: ['sat'] }, '2026-11-22T03:59:00Z', true],
    ['the night before', { days: ['sat'] }, '2026-11-21T03:00:00Z', false],
    ['the Monday after a Sunday', { days: ['sun'] }, '2026-11-23T01:00:00Z', true],
    ['the next evening', { days: ['sat'] }, '2026-11-22T22:00:00Z', false],
    [
      'a day from noon',
      { days: ['sat'], from: '12:00', to: '12:00' },
      '2026-11-22T11:59:00Z',
      true,
    ],
    ['its end', { days: ['sat'], from: '12:00', to: '12:00' }, '2026-11-22T12:00:00Z', false],
    // Berlin: UTC+1 in winter, UTC+2 in summer.
    ['winter', { timeZone: 'Europe/Berlin' }, '2026-11-21T21:00:00Z', true],
    ['winter, an hour early', { timeZone: 'Europe/Berlin' }, '2026-11-21T20:59:00Z', false],
    ['summer', { timeZone: 'Europe/Berlin' }, '2026-07-21T20:00:00Z', true],
    ['summer, an hour early', { timeZone: 'Europe/Berlin' }, '2026-07-21T19:59:00Z', false],
    // Clocks go from 02:00 to 03:00 on 29 March, and from 03:00 to 02:00 on 25 October.
    [
      'the hour that is skipped',
      { from: '02:00', to: '03:00', timeZone: 'Europe/Berlin' },
      '2026-03-29T01:00:00Z',
      false,
    ],
    [
      'the hour that comes first',
      { from: '02:00', to: '03:00', timeZone: 'Europe/Berlin' },
      '2026-10-25T00:30:00Z',
      true,
    ],
    [
      'the hour that comes twice',
      { from: '02:00', to: '03:00', timeZone: 'Europe/Berlin' },
      '2026-10-25T01:30:00Z',
      true,
    ],
    [
      'the hour after both',
      { from: '02:00', to: '03:00', timeZone: 'Europe/Berlin' },
      '2026-10-25T02:00:00Z',
      false,
    ],
    [
      'quarters of an hour',
      { from: '05:45', to: '05:46', timeZone: 'Asia/Kathmandu' },
      '2026-11-21T00:00:00Z',
      true,
    ],
    [
      'the day across the date line',
      { days: ['sun'], from: '00:00', to: '01:00', timeZone: 'Pacific/Kiritimati' },
      '2026-11-21T10:00:00Z',
      true,
    ],
  ];
  it.each(cases)('at %s', (_, values, at, open) => {
    expect(isOpen(window(values), new Date(at))).toBe(open);
  });

  it('shows clocks as they are there', () => {
    const at = new Date('2026-11-21T23:05:00Z');
    expect(localText(at, 'Europe/Berlin')).toBe('Sun 00:05');
    expect(localText(at, 'America/New_York')).toBe('Sat 18:05');
  });
});

describe('when the next opening is asked for', () => {
  const cases: readonly [Partial<Window>, string, string][] = [
    [{}, '2026-11-21T10:00:30Z', '2026-11-21T22:00:00Z'],
    [{ days: ['sat'] }, '2026-11-22T04:00:00Z', '2026-11-28T22:00:00Z'],
    [{ days: ['sat'], from: '10:07', to: '10:08' }, '2026-11-21T10:08:00Z', '2026-11-28T10:07:00Z'],
    [{ timeZone: 'Europe/Berlin' }, '2026-10-24T20:30:00Z', '2026-10-24T20:31:00Z'],
    [
      { from: '02:30', to: '05:00', timeZone: 'Europe/Berlin' },
      '2026-03-28T23:00:00Z',
      '2026-03-29T01:00:00Z',
    ],
    [
      { days: ['sun'], from: '02:15', to: '02:45', timeZone: 'Europe/Berlin' },
      '2026-03-28T23:00:00Z',
      '2026-04-05T00:15:00Z',
    ],
  ];
  it.each(cases)('%j after %s', (values, after, expected) => {
    expect(nextOpening([window(values)], new Date(after))?.toISOString()).toBe(
      expected.replace('Z', '.000Z'),
    );
  });

  it('is the first of several', () => {
    const windows = [window({ from: '20:00' }), window({ from: '18:00' }), window({})];
    expect(nextOpening(windows, new Date('2026-11-21T10:00:00Z'))?.toISOString()).toBe(
      '2026-11-21T18:00:00.000Z',
    );
  });

  it('is open then, whatever the window, the zone and the moment', () => {
    const time = fc
      .tuple(fc.nat(23), fc.nat(59))
      .map((parts) => parts.map((each) => String(each).padStart(2, '0')).join(':'));
    const zones = [
      'UTC',
      'Europe/Berlin',
      'America/St_Johns',
      'Australia/Lord_Howe',
      'Asia/Kolkata',
    ];
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom(...weekdays), { minLength: 1 }),
        time,
        time,
        fc.constantFrom(...zones),
        fc.date({ min: new Date('2026-01-01'), max: new Date('2027-01-01'), noInvalidDate: true }),
        (days, from, to, timeZone, at) => {
          const one = { days, from, to, timeZone };
          const next = nextOpening([one], at);
          if (next === undefined) return;
          expect(next.getTime()).toBeGreaterThan(at.getTime());
          expect(isOpen(one, next)).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });
});
