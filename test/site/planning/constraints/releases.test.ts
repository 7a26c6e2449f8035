import { describe, expect, it } from 'vitest';
import type { Bundle } from '../../../../src/format/bundle.ts';
import {
  conflictingReleases,
  requiredReleases,
} from '../../../../src/site/planning/constraints/releases.ts';
import { asking, packed } from '../../../support/constraint-input.ts';

const requiring = (name: string, version: string): Partial<Bundle> => ({
  requires: { releases: [{ name, version }], conflicts: [] },
});
const refusing = (name: string, version: string): Partial<Bundle> => ({
  requires: { releases: [], conflicts: [{ name, version }] },
});

describe('when a release requires another', () => {
  it.each([
    ['^1.2.0', '1.4.0', true],
    ['^1.2.0', '2.0.0', false],
    ['>=1.0.0 <3.0.0', '2.9.9', true],
    ['*', undefined, false],
    ['*', '0.1.0', true],
    ['^1.2.0', '1.4.0-rc.1', false],
  ])('wants %s and finds %s: %s', (range, version, satisfied) => {
    const base = version === undefined ? [] : [packed({ name: 'base', version })];
    const chat = packed({}, requiring('base', range));
    const found = requiredReleases(asking({ from: base, to: [...base, chat] }));
    expect(found).toEqual([
      {
        rule: 'requires',
        satisfied,
        needs: `release base ${range}, which release chat 1.0.0 requires`,
        found: version === undefined ? 'no release base would run' : `release base ${version}`,
      },
    ]);
  });

  const chat = packed({}, requiring('base', '^1.2.0'));
  const old = packed({ name: 'base', version: '1.4.0' });
  const next = packed({ name: 'base', version: '2.0.0' });

  it('does not let that one be taken off', () => {
    const found = requiredReleases(asking({ intent: 'uninstall', from: [old, chat], to: [chat] }));
    expect(found).toMatchObject([{ satisfied: false, found: 'no release base would run' }]);
  });

  it.each(['install', 'rollback'] as const)('does not let it be replaced by %s', (intent) => {
    const found = requiredReleases(asking({ intent, from: [old, chat], to: [next, chat] }));
    expect(found).toMatchObject([{ satisfied: false, found: 'release base 2.0.0' }]);
  });

  it('lets both change together', () => {
    const later = packed({ version: '2.0.0' }, requiring('base', '^2'));
    expect(requiredReleases(asking({ from: [old, chat], to: [next, later] }))).toMatchObject([
      { satisfied: true },
    ]);
  });

  it('is not asked when neither changes', () => {
    const other = packed({ name: 'other' });
    expect(requiredReleases(asking({ from: [chat], to: [chat, other] }))).toEqual([]);
  });

  it('may be taken off itself', () => {
    const values = { intent: 'uninstall', from: [old, chat], to: [old] } as const;
    expect(requiredReleases(asking(values))).toEqual([]);
  });
});

describe('when a release cannot run beside another', () => {
  const legacy = packed({ name: 'legacy', version: '1.5.0' });

  it.each([
    ['*', false],
    ['<2', false],
    ['>=2', true],
    ['1.5.0', false],
  ])('names %s: %s', (range, satisfied) => {
    const chat = packed({}, refusing('legacy', range));
    expect(conflictingReleases(asking({ from: [legacy], to: [legacy, chat] }))).toEqual([
      {
        rule: 'conflict',
        satisfied,
        needs: `no release legacy ${range} together with release chat 1.0.0`,
        found: satisfied ? 'none' : 'release legacy 1.5.0 would run',
      },
    ]);
  });

  it('counts a release candidate among the versions', () => {
    const candidate = packed({ name: 'legacy', version: '1.6.0-rc.1' });
    const chat = packed({}, refusing('legacy', '<2'));
    const [found] = conflictingReleases(asking({ from: [candidate], to: [candidate, chat] }));
    expect(found?.satisfied).toBe(false);
  });

  it('also refuses when the installed release declared it', () => {
    const jealous = packed({ name: 'jealous' }, refusing('chat', '*'));
    const found = conflictingReleases(asking({ from: [jealous], to: [jealous, packed()] }));
    expect(found).toMatchObject([
      { satisfied: false, needs: 'no release chat * together with release jealous 1.0.0' },
    ]);
  });

  it('may name its own older versions: they do not run beside it', () => {
    const chat = packed({ version: '2.0.0' }, refusing('chat', '*'));
    expect(conflictingReleases(asking({ from: [packed()], to: [chat] }))).toMatchObject([
      { satisfied: true },
    ]);
  });
});
