import { describe, expect, it } from 'vitest';
import type { RecallStrategy } from '../../../../src/format/fleet-orders.ts';
import {
  appliesObjects,
  channel,
  recalled,
} from '../../../../src/site/planning/constraints/admissible.ts';
import { asking, packed } from '../../../support/constraint-input.ts';

const recall = (versions: string, strategy?: RecallStrategy) => ({
  at: '2026-11-20T00:00:00Z',
  event: {
    kind: 'recalled',
    release: 'chat',
    versions,
    reason: 'it leaks',
    bundle: '0'.repeat(128),
    ...(strategy === undefined ? {} : { strategy }),
  } as const,
});

describe('when a release was recalled', () => {
  it.each(['install', 'rollback'] as const)('is not brought by %s', (intent) => {
    const ledger = [recall('1.x')];
    expect(recalled(asking({ intent, to: [packed()], ledger }))).toEqual([
      {
        rule: 'recall',
        satisfied: false,
        needs: 'release chat 1.0.0 was not recalled',
        found: 'recalled: it leaks',
      },
    ]);
  });

  it('may be taken off, and replaced', () => {
    const ledger = [recall('1.x')];
    const uninstall = { intent: 'uninstall', from: [packed()], to: [], ledger } as const;
    expect(recalled(asking(uninstall))).toEqual([]);
    const next = packed({ version: '2.0.0' });
    expect(recalled(asking({ from: [packed()], to: [next], ledger }))).toMatchObject([
      { satisfied: true },
    ]);
  });

  it('does not keep another release from being installed beside it', () => {
    const bad = packed();
    const other = packed({ name: 'other' });
    const found = recalled(asking({ from: [bad], to: [bad, other], ledger: [recall('*')] }));
    expect(found.every((each) => each.satisfied)).toBe(true);
  });

  it('is not returned to, also where it runs already', () => {
    const bad = packed();
    const from = [bad, packed({ name: 'other', version: '2.0.0' })];
    const to = [bad, packed({ name: 'other' })];
    const found = recalled(asking({ intent: 'rollback', from, to, ledger: [recall('*')] }));
    expect(found.map((each) => each.satisfied)).toEqual([false, true]);
  });
});

describe('when a recall says where to go', () => {
  const bad = packed({ version: '1.3.0', seq: 3 });
  const rows: readonly [string, number, RecallStrategy | undefined, boolean][] = [
    ['1.2.0', 2, 'forward', false],
    ['1.4.0', 4, 'forward', true],
    ['1.2.0', 2, { backTo: '1.2.0' }, true],
    ['1.1.0', 1, { backTo: '1.2.0' }, false],
    ['1.1.0', 1, undefined, true],
  ];
  it.each(rows)('to %s, sequence %i, with %j: %s', (version, seq, strategy, allowed) => {
    const to = [packed({ version, seq })];
    const ledger = [recall('1.3.x', strategy)];
    for (const intent of ['install', 'rollback'] as const) {
      const found = recalled(asking({ intent, from: [bad], to, ledger }));
      expect(found.every(({ satisfied }) => satisfied)).toBe(allowed);
    }
  });

  it('names the way in words', () => {
    const to = [packed({ version: '1.2.0', seq: 2 })];
    const asked = { intent: 'rollback', from: [bad], to } as const;
    expect(recalled(asking({ ...asked, ledger: [recall('1.3.x', 'forward')] }))[1]).toEqual({
      ...{ rule: 'recall', satisfied: false, found: 'release chat 1.2.0' },
      needs: 'a version to which the recall of release chat 1.3.0 leads: to newer versions only',
    });
  });

  it('keeps the strategy of a notice when a bundle repeats the recall', () => {
    const to = [packed({ version: '1.2.0', seq: 2 })];
    const ledger = [recall('1.3.x', 'forward'), recall('1.3.x')];
    const found = recalled(asking({ intent: 'rollback', from: [bad], to, ledger }));
    expect(found.every(({ satisfied }) => satisfied)).toBe(false);
  });
});

describe('when a site takes some channels', () => {
  const beta = packed({}, { channel: 'beta' });

  it('refuses a release of another that came in before', () => {
    const settings = { channels: ['stable', 'lts'] };
    expect(channel(asking({ to: [beta], settings }))).toEqual([
      {
        rule: 'channel',
        satisfied: false,
        needs: 'channel beta among the channels of site.yaml',
        found: 'stable, lts',
      },
    ]);
    expect(channel(asking({ to: [beta], settings: { channels: ['beta'] } }))).toMatchObject([
      { satisfied: true },
    ]);
  });

  it('returns to what it had', () => {
    expect(channel(asking({ intent: 'rollback', to: [beta] }))).toEqual([]);
  });
});

describe('when a release has charts or objects', () => {
  const chart = {
    ...{ name: 'gear', source: './gear', renderedBy: 'kubectl v1.36.0', powers: [] },
    ...{ manifest: 'sha256:a', objects: { digest: 'sha256:a', size: 1 } },
  };
  const withObjects = packed();
  const to = [
    { ...withObjects, bundle: { ...withObjects.bundle, objects: [chart] } as never },
  ] as const;

  it('is refused by a target that has no cluster', () => {
    const { target } = asking();
    expect(appliesObjects(asking({ to }))).toEqual([
      {
        rule: 'cluster',
        satisfied: false,
        needs: 'a cluster for the charts and objects of release chat 1.0.0',
        found: `target ${target.name}; only target kubernetes applies them`,
      },
    ]);
    expect(appliesObjects(asking({ to: [packed()] }))).toEqual([]);
  });

  it.each([
    ['applies them', { appliesObjects: true }],
    ['runs nothing, and serves them', { runsServices: false }],
  ])('is accepted by one that %s', (_, more) => {
    const { target } = asking();
    expect(appliesObjects(asking({ to, target: { ...target, ...more } }))).toEqual([]);
  });
});
