import { describe, expect, it } from 'vitest';
import { StowageError } from '../../../src/core/error.ts';
import type { CommandResult } from '../../../src/target/host/command.ts';
import { createEgressRules, rulesOf, unitOf } from '../../../src/target/host/egress-rules.ts';
import { expectCode } from '../../support/error.ts';

const { signal } = new AbortController();
const network = {
  ...{ name: 'stowage-0a1b2c3d-chat--clients', bridge: 'podman1' },
  egress: [
    { to: '10.20.0.0/16', protocol: 'tcp', ports: [443, 5432] },
    { to: 'fd00::5', protocol: 'udp', ports: [514] },
  ],
} as const;
const ok: CommandResult = { status: 0, stdout: '', stderr: '' };

function rules(answer: (args: readonly string[]) => CommandResult, rootless = false) {
  const calls: string[] = [];
  const made = createEgressRules({
    ...{ env: { PATH: '/usr/bin' }, rootless },
    run: async (program, args, { env }) => {
      calls.push([program, ...args].join(' '));
      expect(env['PATH']).toBe('/usr/bin:/usr/sbin:/sbin');
      return answer(args);
    },
  });
  return { made, calls };
}

describe('when rules of a network are written', () => {
  it('lets answers, neighbours and named places pass, and refuses the rest', () => {
    const text = rulesOf(network).split('; ');
    expect(text.filter((each) => each.includes('oifname'))).toHaveLength(1);
    for (const chain of ['forward', 'input'])
      expect(text.filter((each) => each.includes(`clients ${chain} iifname`)).slice(-3)).toEqual([
        `add rule inet ${network.name} ${chain} iifname "podman1" ct original ip daddr 10.20.0.0/16 meta l4proto tcp ct original proto-dst { 443, 5432 } accept`,
        `add rule inet ${network.name} ${chain} iifname "podman1" ct original ip6 daddr fd00::5 meta l4proto udp ct original proto-dst { 514 } accept`,
        `add rule inet ${network.name} ${chain} iifname "podman1" reject with icmpx type admin-prohibited`,
      ]);
  });

  it('loads them as a unit before containers start, in quotes that no rule has', () => {
    const text = unitOf(network);
    expect(text).toContain(`ExecStart=nft '${rulesOf(network)}'\n`);
    expect(rulesOf(network)).not.toMatch(/['%$\\]/);
    expect(text).toContain('Before=network.target docker.service');
  });
});

describe('when rules of a network are asked for', () => {
  const listed = (lines: number): CommandResult => {
    return { ...ok, stdout: '\t\tiifname "podman1" accept\n'.repeat(lines) };
  };

  it.each([
    ['all of them', listed(10), true],
    ['one less', listed(9), false],
    ['no table', { ...ok, status: 1 }, false],
  ])('compares their number: %s', async (_, found, expected) => {
    const { made } = rules((args) => (args.includes('tables') ? ok : found));
    expect(await made.holds(network.name, network.egress, signal)).toBe(expected);
  });

  it.each<[string, boolean, () => CommandResult, string]>([
    ['rootless', true, () => ok, 'a rootless engine has networks of its own'],
    [
      'without nft',
      false,
      () => {
        throw new StowageError('host-unfit', 'm', { expected: '', found: '', hint: '' });
      },
      'this host has no nft: install the package nftables',
    ],
    [
      'without rights',
      false,
      () => ({ ...ok, status: 1, stderr: 'Operation not permitted\n' }),
      'nft fails: Operation not permitted',
    ],
  ])('does nothing %s, and says why', async (_, rootless, answer, why) => {
    const { made, calls } = rules(answer, rootless);
    expect(await made.whyNone(signal)).toBe(why);
    await made.apply(network, signal);
    expect(await made.holds(network.name, network.egress, signal)).toBeUndefined();
    await made.remove(network.name, signal);
    expect(calls.length).toBeLessThanOrEqual(1);
  });

  it('fails where they cannot be loaded', async () => {
    const { made } = rules((args) =>
      args.includes('tables') ? ok : { ...ok, status: 1, stderr: 'Could not process rule' },
    );
    const error = await expectCode(() => made.apply(network, signal), 'engine-failed');
    expect(error.message + error.found).toContain('Could not process rule');
  });
});
