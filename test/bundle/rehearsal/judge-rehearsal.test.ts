import { describe, expect, it } from 'vitest';
import { judgeRehearsal } from '../../../src/bundle/rehearsal/judge-rehearsal.ts';
import type { Rehearsal } from '../../../src/format/rehearsal.ts';
import type { RehearsalRequirement } from '../../../src/format/rehearsal-requirement.ts';
import { packed } from '../../support/constraint-input.ts';
import { rehearsalOf } from '../../support/rehearsed.ts';

const { bundle } = packed();
const rehearsal = rehearsalOf(bundle, { at: '2026-11-01T12:00:00Z' });
const at = (moment: string): Date => new Date(moment);
const NOW = at('2026-11-02T12:00:00Z');

const judged = (
  values: Partial<Rehearsal>,
  asked: Partial<RehearsalRequirement> = {},
): readonly boolean[] =>
  judgeRehearsal({ rehearsal: { ...rehearsal, ...values } }, { maxAgeDays: 30, ...asked }, NOW).map(
    ({ satisfied }) => satisfied,
  );

describe('when a rehearsal has an age', () => {
  it.each([
    ['2026-12-01T12:00:00.000Z', true],
    ['2026-12-01T12:00:00.001Z', false],
    ['2026-12-01T11:59:59.999Z', true],
    ['2036-01-01T00:00:00Z', false],
    // Clocks may differ by a day.
    ['2026-11-01T12:00:00Z', true],
    ['2026-10-31T12:00:00.000Z', true],
    ['2026-10-31T11:59:59.999Z', false],
  ])('is from the last 30 days at %s: %s', (now, young) => {
    const [passed, age] = judgeRehearsal({ rehearsal }, { maxAgeDays: 30 }, at(now));
    expect(passed.satisfied).toBe(true);
    expect(age).toMatchObject({
      code: 'rehearsal-late',
      satisfied: young,
      needs: 'a rehearsal from the last 30 days',
    });
    expect(age.found).toContain('rehearsed at 2026-11-01T12:00:00Z; it is 20');
  });

  it.each([
    [1, true],
    [3650, true],
  ])('of one day, with at most %i: %s', (maxAgeDays, young) => {
    expect(judged({}, { maxAgeDays })).toEqual([true, young]);
  });
});

describe('when a rehearsal did not pass, or was elsewhere', () => {
  it.each<[string, Partial<Rehearsal>, Partial<RehearsalRequirement>, boolean]>([
    ['passed, on any target', {}, {}, true],
    ['failed', { passed: false, failures: ['server tried x'] }, {}, false],
    ['passed by its word, with a failure', { failures: ['server tried x'] }, {}, false],
    ['failed without a reason', { passed: false }, {}, false],
    ['on the target', {}, { targets: ['podman'] }, true],
    ['on one of two', {}, { targets: ['kubernetes', 'podman'] }, true],
    ['on another', {}, { targets: ['docker'] }, false],
    [
      'on one that is named like a method',
      { target: 'constructor' },
      { targets: ['podman'] },
      false,
    ],
  ])('%s', (_, values, asked, counts) => {
    expect(judged(values, asked)).toEqual([counts, true]);
  });

  it.each([
    [
      undefined,
      false,
      'a rehearsal that passed',
      /^its services passed, but .*not rehearsed: chart gpu$/,
    ],
    [
      true,
      true,
      'a rehearsal of all but its charts and objects that passed',
      /; not rehearsed: chart gpu$/,
    ],
  ] as const)(
    'does not count for charts unless they are excepted: %s',
    (exceptCharts, counts, needs, found) => {
      const asked = { maxAgeDays: 30, ...(exceptCharts && { exceptCharts }) };
      const [passed] = judgeRehearsal({ rehearsal, unrehearsed: 'chart gpu' }, asked, NOW);
      expect(passed).toMatchObject({
        ...{ code: 'rehearsal-missing', satisfied: counts, needs },
        found: expect.stringMatching(found),
      });
      // One that failed counts in no way.
      const failed = { ...rehearsal, passed: false, failures: ['server tried x'] };
      const [no] = judgeRehearsal({ rehearsal: failed, unrehearsed: 'chart gpu' }, asked, NOW);
      expect(no).toMatchObject({ satisfied: false, found: 'it did not pass: server tried x' });
    },
  );

  it('says why, and what a requirement needs whatever is found', () => {
    const asked = { maxAgeDays: 1, targets: ['docker', 'podman'] } as const;
    const failed = { ...rehearsal, passed: false, failures: ['server tried example.com port 443'] };
    const [of, none] = [
      judgeRehearsal({ rehearsal: failed }, asked, NOW),
      judgeRehearsal({ missing: 'none is attached to the bundle' }, asked, NOW),
    ];
    expect(of.map(({ needs }) => needs)).toEqual(none.map(({ needs }) => needs));
    expect(of[0]).toMatchObject({
      code: 'rehearsal-missing',
      needs: 'a rehearsal that passed on docker or podman',
      found: 'it did not pass: server tried example.com port 443',
    });
    expect(none.map(({ satisfied, found }) => [satisfied, found])).toEqual([
      [false, 'none is attached to the bundle'],
      [false, 'no rehearsal'],
    ]);
  });
});
