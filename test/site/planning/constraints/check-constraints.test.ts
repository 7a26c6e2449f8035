import { describe, expect, it } from 'vitest';
import { checkDocument } from '../../../../src/format/document.ts';
import { planKind } from '../../../../src/format/plan.ts';
import {
  checkConstraints,
  requireSatisfied,
} from '../../../../src/site/planning/constraints/check-constraints.ts';
import {
  overridableRules,
  validOverrides,
} from '../../../../src/site/planning/constraints/override.ts';
import * as samples from '../../../format/samples.ts';
import { asking, packed } from '../../../support/constraint-input.ts';
import { packedAt } from '../../../support/context.ts';
import { service } from '../../../support/deployed.ts';
import { expectCode } from '../../../support/error.ts';
import { fakeTarget } from '../../../support/fake-engine.ts';

const requires = {
  releases: [{ name: 'base', version: '^1' }],
  conflicts: [],
  host: { kernel: '>=5.10', memory: 2 ** 30 },
};
const chat = packed({}, { requires });

describe('when a plan is held against every rule', () => {
  it('names everything that does not hold at once', async () => {
    const found = await checkConstraints(asking({ to: [chat] }));
    const error = await expectCode(() => requireSatisfied(found), 'host-unfit');
    expect(error.defects?.map((each) => each.split(':')[0])).toEqual([
      'requires',
      'kernel',
      'memory',
    ]);
    expect(error).toMatchObject({
      expected: 'release base ^1, which release chat 1.0.0 requires',
      found: 'no release base would run',
    });
  });

  it('asks nothing where nothing changes', async () => {
    const settings = { windows: [{ from: '00:00', to: '00:01' }] };
    expect(await checkConstraints(asking({ from: [chat], to: [chat], settings }))).toEqual([]);
  });

  it('gives the same needs at another time on another host', async () => {
    const settings = {
      windows: [{ from: '00:00', to: '00:01' }],
      suppressions: [
        { from: '2026-11-21T00:00:00Z', until: '2026-11-22T00:00:00Z', reason: 'year end' },
      ],
    };
    const one = await checkConstraints(asking({ to: [chat], settings }));
    const host = {
      files: { '/proc/meminfo': 'MemTotal: 99999999 kB', '/proc/sys/kernel/osrelease': '6.1.0' },
    };
    const now = new Date('2027-02-03T00:00:30Z');
    const two = await checkConstraints(asking({ to: [chat], settings, host, now }));
    expect(two.map(({ rule, needs }) => [rule, needs])).toEqual(
      one.map(({ rule, needs }) => [rule, needs]),
    );
    expect(two).not.toEqual(one);
  });

  it('makes words that a plan can hold of whatever tools print', async () => {
    const why = `\u001b[2J\ud800${'x'.repeat(5000)}`;
    const host = { programs: { 'nvidia-smi': { why } } };
    const gpu = packed({ services: [service({ gpus: 1 })] });
    const constraints = await checkConstraints(asking({ to: [gpu], host }));
    checkDocument(planKind, { ...samples.plan(), constraints });
    const words = constraints.find((each) => each.rule === 'gpu')?.found ?? '';
    expect(words.length).toBeLessThanOrEqual(2000);
    expect(words).not.toContain('\u001b');
  });

  it('names the override if only the window is closed', async () => {
    const settings = { windows: [{ from: '00:00', to: '00:01' }] };
    const closed = await checkConstraints(asking({ to: [packed()], settings }));
    const only = await expectCode(() => requireSatisfied(closed), 'host-unfit');
    expect(only.hint).toContain('stowage override window');
    const more = await checkConstraints(asking({ to: [chat], settings }));
    const both = await expectCode(() => requireSatisfied(more), 'host-unfit');
    expect(both.hint).not.toContain('override');
  });

  it('says of a recall that it is one', async () => {
    const event = {
      kind: 'recalled',
      release: 'chat',
      versions: '*',
      reason: 'it leaks',
      bundle: '0'.repeat(128),
    } as const;
    const ledger = [{ at: '2026-11-20T00:00:00Z', event }];
    const found = await checkConstraints(asking({ to: [chat], ledger }));
    const error = await expectCode(() => requireSatisfied(found), 'release-recalled');
    expect(error.found).toBe('recalled: it leaks');
  });
});

describe('when a person overrides a rule', () => {
  const at = '2026-11-21T09:00:00Z';
  const until = '2026-11-21T11:00:00Z';
  const override = (rule: string) => ({
    at,
    event: { kind: 'overridden', rule, by: 'A. Officer', reason: 'outage', until } as const,
  });
  const found = async (rule: string, now: Date): Promise<readonly (string | undefined)[]> => {
    const constraints = await checkConstraints(
      asking({ to: [chat], ledger: [override(rule)], now }),
    );
    return constraints
      .filter((each) => each.override !== undefined)
      .map((each) => each.override?.by);
  };

  it.each([
    ['2026-11-21T08:59:59Z', 0],
    ['2026-11-21T09:00:00Z', 1],
    ['2026-11-21T10:59:59Z', 1],
    ['2026-11-21T11:00:00Z', 0],
  ])('counts at %s: %i', async (now, count) => {
    expect(await found('requires', new Date(now))).toHaveLength(count);
  });

  it('says so beside what is violated, and lets it pass', async () => {
    const all = ['requires', 'kernel', 'memory'].map(override);
    const constraints = await checkConstraints(asking({ to: [chat], ledger: all }));
    expect(constraints.find((each) => each.rule === 'kernel')).toMatchObject({
      satisfied: false,
      override: { rule: 'kernel', by: 'A. Officer', reason: 'outage', until },
    });
    requireSatisfied(constraints);
    checkDocument(planKind, { ...samples.plan(), constraints });
  });

  it('leaves the other rules as they are', async () => {
    const constraints = await checkConstraints(
      asking({ to: [chat], ledger: [override('kernel')] }),
    );
    const error = await expectCode(() => requireSatisfied(constraints), 'host-unfit');
    expect(error.defects).toHaveLength(2);
  });

  it.each([
    ['2026-11-21T08:59:59Z', 0],
    ['2026-11-21T09:00:00Z', 1],
    ['2026-11-21T11:00:00Z', 0],
  ])('is shown by status at %s: %i', (now, count) => {
    const { kind: _, ...granted } = override('window').event;
    expect(validOverrides([{ at, override: granted }], now)).toHaveLength(count);
  });

  it('uses the latest override', async () => {
    const newer = { ...override('kernel'), at: '2026-11-21T09:30:00Z' };
    const ledger = [override('kernel'), { ...newer, event: { ...newer.event, by: 'B. Officer' } }];
    const constraints = await checkConstraints(asking({ to: [chat], ledger, now: packedAt }));
    expect(constraints.find((each) => each.rule === 'kernel')?.override?.by).toBe('B. Officer');
  });

  it.each([
    ['recall', {}, []],
    ['channel', { channels: ['lts'] }, []],
    ['platform', {}, ['linux/riscv64']],
    ['space', {}, []],
    ['inodes', {}, []],
    ['port', {}, []],
    ['secret', {}, []],
  ] as const)('never of %s', async (rule, settings, platforms) => {
    expect(overridableRules(fakeTarget())).not.toContain(rule);
    const ports = [{ name: 'http', address: '127.0.0.1', host: 1, container: 80 }];
    const bad = packed(
      {
        services: [service({ ports })],
        secrets: [{ name: 'stowage-chat-key-0', secret: 'key' }],
      },
      platforms.length === 0 ? {} : { platforms },
    );
    const recall = {
      kind: 'recalled',
      release: 'chat',
      versions: '*',
      reason: 'x',
      bundle: '0'.repeat(128),
    } as const;
    const constraints = await checkConstraints(
      asking({
        to: [bad],
        settings,
        ledger: [override(rule), { at, event: recall }],
        host: {
          fileSystem: () => ({ id: '1', freeBytes: 0, freeFiles: 0 }),
          listening: { '127.0.0.1:1': 'taken' },
        },
      }),
    );
    const violated = constraints.filter((each) => each.rule === rule);
    expect(violated).toMatchObject([{ satisfied: false }]);
    expect(violated[0]?.override).toBeUndefined();
  });
});
