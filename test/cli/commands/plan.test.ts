import { describe, expect, it } from 'vitest';
import { constraintTable, planTable, planVerdict } from '../../../src/cli/commands/plan.ts';
import type { Constraint } from '../../../src/format/plan.ts';
import { generation, release, service } from '../../support/deployed.ts';
import { planned } from '../../support/planned.ts';

const plan = (constraints: readonly Constraint[] = []) =>
  planned({
    from: generation(1, release()),
    to: generation(2, release({ version: '2.0.0', seq: 2 })),
    constraints,
  });

describe('when a plan is shown', () => {
  it('shows one line per step with its reason, and the interrupted services', () => {
    const lines = planTable(plan()).split('\n');
    expect(lines[0]).toBe('install: generation 1 to generation 2');
    expect(lines).toHaveLength(plan().steps.length + 3);
    expect(lines[1]).toMatch(
      /^ {4}1 {2}place-files +chat a+ {2}\(models and files that services read\)$/,
    );
    expect(lines.at(-2)).toMatch(/^interrupted for at most .*: chat server$/);
  });

  it.each<[string, number, string, number, string | undefined]>([
    ['1.2.0', 2, '1.1.0', 1, 'chat returns from 1.2.0 to 1.1.0'],
    ['1.2.0', 2, '1.2.0', 1, 'chat returns from 1.2.0 (sequence 2) to 1.2.0 (sequence 1)'],
    ['1.2.0', 2, '1.2.0-rc.1', 3, 'chat returns from 1.2.0 to 1.2.0-rc.1'],
    ['1.2.0', 1, '1.10.0', 2, undefined],
    ['1.2.0', 1, '1.2.0', 2, undefined],
  ])('says if %s (sequence %i) becomes %s (sequence %i)', (before, old, version, seq, line) => {
    const from = generation(1, release({ version: before, seq: old }));
    const to = generation(2, release({ version, seq }));
    const [, second = ''] = planTable(planned({ from, to })).split('\n');
    expect(second.includes(' returns from ') ? second.trim() : undefined).toBe(line);
  });

  it('states if nothing is interrupted or there is nothing to do', () => {
    const first = planned({ from: generation(0), to: generation(1, release()) });
    expect(planTable(first)).toContain('no service is interrupted');
    expect(planTable(first).split('\n')[0]).toBe('install: makes generation 1, the first');
    const same = planned({ from: generation(1), to: generation(2) });
    expect(planTable(same)).toContain('nothing to do; generation 1 is already current');
  });

  it('escapes control characters in names', () => {
    const odd = release({ name: 'chat\u001b[2J', services: [service({ name: 'a' })] });
    const shown = planTable(planned({ from: generation(0), to: generation(1, odd) }));
    expect(shown).not.toContain('\u001b');
  });
});

describe('when the checks of a plan are shown', () => {
  const override = {
    rule: 'window',
    by: 'A. Officer',
    reason: 'outage',
    until: '2026-11-21T12:00:00Z',
  };
  const constraints: readonly Constraint[] = [
    { rule: 'kernel', satisfied: true, needs: 'Linux >=5.10', found: 'Linux 6.1' },
    { rule: 'port', satisfied: false, needs: '8000 is free', found: 'taken by x (pid 1)\u001b[2J' },
    { rule: 'window', satisfied: false, needs: 'daily', found: 'Sat 10:00', override },
  ];

  it('lists failed and overridden checks', () => {
    expect(constraintTable(plan(constraints), false)).toBe(
      '  FAILED      port: 8000 is free; found: taken by x (pid 1)<U+001B>[2J\n' +
        '  OVERRIDDEN  window: daily; found: Sat 10:00; overridden by A. Officer until 2026-11-21T12:00:00Z: outage\n',
    );
  });

  it('lists all', () => {
    const [first] = constraintTable(plan(constraints), true).split('\n');
    expect(first).toBe('  passed      kernel: Linux >=5.10; found: Linux 6.1');
  });

  it('tells what a target ignores, though that is no failure', () => {
    const ignored = {
      ...{ rule: 'ignored', satisfied: true, needs: 'replicas of service chat' },
      found: 'ignored on this host: one container',
    };
    expect(constraintTable(plan([ignored]), false)).toBe(
      '  note        replicas of service chat: ignored on this host: one container\n',
    );
    expect(planVerdict(plan([ignored]))).toBe('');
    const limits = {
      ...{ rule: 'ignored', satisfied: true },
      needs: 'limits of service chat of release chat 1.0.0 (memory, pids)',
      found: 'not enforced: rootless podman ignores resource limits on cgroups v1',
    };
    expect(constraintTable(plan([limits]), false)).toBe(
      '  note        limits of service chat of release chat 1.0.0 (memory, pids): not enforced: rootless podman ignores resource limits on cgroups v1\n',
    );
    const powers = {
      ...{ rule: 'powers', satisfied: true, needs: 'what gear of release chat 1.0.0 may do' },
      found: 'cluster: ClusterRole reader; rights: ClusterRole reader: get on pods',
    };
    expect(constraintTable(plan([powers]), false)).toBe(
      `  note        what gear of release chat 1.0.0 may do:
                cluster: ClusterRole reader
                rights: ClusterRole reader: get on pods
`,
    );
  });

  it('is empty if all passed', () => {
    expect(constraintTable(plan(), false)).toBe('');
    expect(planVerdict(plan())).toBe('');
  });

  it('counts failed checks that nobody overrode', () => {
    expect(planVerdict(plan(constraints))).toBe('cannot be applied: 1 check failed\n');
  });
});
