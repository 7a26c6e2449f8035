import { describe, expect, it } from 'vitest';
import { ports } from '../../../../src/target/container/constraints/ports.ts';
import { containersOf } from '../../../../src/target/container/workload.ts';
import type { Listening } from '../../../../src/target/host/host-probe.ts';
import { asking, type Packed, packed } from '../../../support/constraint-input.ts';
import { service } from '../../../support/deployed.ts';
import type { FakeHost } from '../../../support/fake-host.ts';

/** A release that publishes ports. */
function on(port: number, name = 'chat', address = '127.0.0.1', version = '1.0.0'): Packed {
  const published = [{ name: 'http', address, host: port, container: 80 }];
  return packed({ name, version, services: [service({ release: name, ports: published })] });
}

/** A line of `/proc/net/tcp`: an address in the machine's own order, a port, a socket. */
const line = (address: string, port: number, inode: number): string =>
  `   0: ${address}:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1`;

const LOOPBACK = '0100007F';
const EVERY = '00000000';
const EVERY6 = '0'.repeat(32);

function held(text: string, listening: Listening = 'taken', table = 'tcp'): FakeHost {
  return {
    files: {
      [`/proc/net/${table}`]: `  sl  local_address rem_address   st\n${text}\n`,
      '/proc/812/comm': 'llama-server\n',
    },
    links: { '/proc/812/fd/3': 'socket:[4711]', '/proc/1/fd/3': '/dev/null' },
    listening: { '127.0.0.1:8000': listening },
  };
}

describe('when a release publishes a port', () => {
  const cases: readonly [string, FakeHost, string][] = [
    ['nobody has', {}, 'free'],
    ['a program has', held(line(LOOPBACK, 8000, 4711)), 'in use by llama-server (pid 812)'],
    [
      'a program has on every address',
      held(line(EVERY, 8000, 4711)),
      'in use by llama-server (pid 812) on 0.0.0.0:8000',
    ],
    [
      'a program has on every address of IPv6',
      held(line(EVERY6, 8000, 4711), 'taken', 'tcp6'),
      'in use by llama-server (pid 812) on [::]:8000',
    ],
    [
      'a program of another user has',
      held(line(LOOPBACK, 8000, 99)),
      'in use by a program that this user cannot see',
    ],
    ['something has that no table lists', held(''), 'in use by another program on this host'],
    ['a program has for IPv6 alone', held(line(EVERY6, 8000, 4711), 'free', 'tcp6'), 'free'],
    ['another host would have', held('', 'no-address'), 'no interface of this host has 127.0.0.1'],
    ['the system keeps', held('', 'forbidden'), 'this user may not listen on ports below 1024'],
  ];
  it.each(cases)('that %s', async (_, host, found) => {
    expect(await ports(asking({ to: [on(8000)], host }))).toEqual([
      {
        rule: 'port',
        satisfied: found === 'free',
        needs: '127.0.0.1:8000 is free for service server of release chat',
        found,
      },
    ]);
  });

  const IF_INET6 = { '/proc/net/if_inet6': '00000000000000000000000000000001 01 80 10 80 lo\n' };
  const LOOPBACK6 = '00000000000000000000000001000000';
  const root = { engine: 'podman', version: '5.0.0', systemd: false, names: true, rootless: false };
  const rootless = { ...root, rootless: true };
  const docker = { ...root, engine: 'docker', version: '27.0.0' };
  const on6 = (address: string, listening: Listening, text = ''): FakeHost => ({
    ...held(text, listening, 'tcp6'),
    files: { ...held(text, listening, 'tcp6').files, ...IF_INET6 },
    listening: { [`${address}:8000`]: listening },
  });
  const publishing = /^podman as root cannot publish ports on ::1?: set address in site.yaml to /;

  it.each<[string, string, object, FakeHost, string | RegExp]>([
    ['on the address of an interface', 'fd00::2', root, on6('fd00::2', 'free'), 'free'],
    ['on ::1 with docker', '::1', docker, on6('::1', 'free'), 'free'],
    ['on ::1 as another user', '::1', rootless, on6('::1', 'free'), 'free'],
    ['on ::1 as root', '::1', root, on6('::1', 'free'), publishing],
    ['on every address as root', '::', root, on6('::', 'free'), publishing],
    ['on every address with docker', '::', docker, on6('::', 'free'), 'free'],
    [
      'where a program has it',
      '::1',
      docker,
      on6('::1', 'taken', line(LOOPBACK6, 8000, 4711)),
      'in use by llama-server (pid 812)',
    ],
    [
      'where a program has it on every address',
      '::1',
      docker,
      on6('::1', 'taken', line(EVERY6, 8000, 4711)),
      'in use by llama-server (pid 812) on [::]:8000',
    ],
    [
      'where no interface has the address',
      'fd00::9',
      root,
      on6('fd00::9', 'no-address'),
      'no interface of this host has fd00::9',
    ],
    [
      'on a host whose interfaces have no IPv6',
      '::1',
      docker,
      { ...on6('::1', 'no-address'), files: { '/proc/net/if_inet6': '' } },
      'no interface of this host has ::1: IPv6 is off on this host; set address in site.yaml to an IPv4 address',
    ],
    [
      'on a host whose kernel has no IPv6',
      'fd00::2',
      root,
      { listening: { 'fd00::2:8000': 'no-address' } },
      /IPv6 is off on this host/,
    ],
  ])('of IPv6, %s', async (_, address, facts, host, found) => {
    const to = [on(8000, 'chat', address)];
    expect(await ports(asking({ to, host, facts: facts as typeof root }))).toEqual([
      {
        rule: 'port',
        satisfied: found === 'free',
        needs: `[${address}]:8000 is free for service server of release chat`,
        found: typeof found === 'string' ? found : expect.stringMatching(found),
      },
    ]);
  });

  it('of IPv6 on the network of the host, where podman publishes nothing', async () => {
    const [one] = containersOf(on(8000, 'chat', '::1').wanted).services;
    const services = [{ ...(one ?? service()), network: 'host' as const }];
    expect(await ports(asking({ to: [packed({ services })] }))).toMatchObject([
      { satisfied: true, needs: '[::1]:80 is free for service server of release chat' },
    ]);
  });

  it.each<[string, string, boolean]>([
    ['0.0.0.0', 'fd00::2', true],
    ['127.0.0.1', 'fd00::2', true],
    ['fd00::3', 'fd00::2', true],
    ['::', 'fd00::2', false],
    ['::', '127.0.0.1', false],
    ['fd00::2', 'fd00::2', false],
  ])('of another release on %s, and one on %s', async (theirs, ours, satisfied) => {
    const other = on(8000, 'embed', theirs);
    const values = { from: [other], to: [other, on(8000, 'chat', ours)] };
    expect(await ports(asking(values))).toMatchObject([{ satisfied }]);
  });

  it('may move from IPv4 to IPv6 with the same number', async () => {
    const values = {
      from: [on(8000)],
      to: [on(8000, 'chat', 'fd00::2', '2.0.0')],
      host: on6('fd00::2', 'free', line(LOOPBACK, 8000, 4711)),
    };
    expect(await ports(asking(values))).toMatchObject([{ satisfied: true, found: 'free' }]);
  });

  it.each(['127.0.0.1', '0.0.0.0'])('not that of another release on %s', async (address) => {
    const other = on(8000, 'embed', address);
    expect(await ports(asking({ from: [other], to: [other, on(8000)] }))).toMatchObject([
      { satisfied: false, found: 'in use by service server of release embed' },
    ]);
  });

  it('may have it of another release on another address', async () => {
    const other = on(8000, 'embed', '10.0.0.5');
    expect(await ports(asking({ from: [other], to: [other, on(8000)] }))).toMatchObject([
      { satisfied: true },
    ]);
  });

  it('not twice for itself', async () => {
    const services = ['a', 'b'].flatMap((name) =>
      containersOf(on(8000).wanted).services.map((each) => ({ ...each, name })),
    );
    expect(await ports(asking({ to: [packed({ services })] }))).toMatchObject([
      { satisfied: true },
      { satisfied: false, found: 'in use by service a of release chat' },
    ]);
  });

  it('may have that of its predecessor, which holds it now', async () => {
    const host = held(line(LOOPBACK, 8000, 4711));
    const values = { from: [on(8000)], to: [on(8000, 'chat', '127.0.0.1', '2.0.0')], host };
    expect(await ports(asking(values))).toMatchObject([{ satisfied: true, found: 'free' }]);
  });

  it.each<[string, string, 'bridge' | 'host', boolean]>([
    ['every address', EVERY, 'host', true],
    ['its address', LOOPBACK, 'host', true],
    ['another address', '0500000A', 'host', false],
    ['every address', EVERY, 'bridge', false],
  ])(
    'of its predecessor, with a listener on %s (%s, %s)',
    async (_, address, network, satisfied) => {
      const release = (version: string, address: string): Packed => {
        const ports = [{ name: 'http', address, host: 8000, container: 8000 }];
        const services = [{ ...service({ release: 'chat', ports }), network }];
        return packed({ name: 'chat', version, services });
      };
      const change = { from: [release('1.0.0', '127.0.0.1')], to: [release('2.0.0', '0.0.0.0')] };
      const host = held(line(address, 8000, 99));
      expect(await ports(asking({ ...change, host }))).toMatchObject([{ satisfied }]);
    },
  );

  it('may widen the address of its predecessor, but not over another program', async () => {
    const to = [on(8000, 'chat', '0.0.0.0', '2.0.0')];
    const own = held(line(LOOPBACK, 8000, 1));
    expect(await ports(asking({ from: [on(8000)], to, host: own }))).toMatchObject([
      { satisfied: true },
    ]);
    const both = held(`${line(LOOPBACK, 8000, 1)}\n${line('0500000A', 8000, 4711)}`);
    expect(await ports(asking({ from: [on(8000)], to, host: both }))).toMatchObject([
      { satisfied: false, found: 'in use by llama-server (pid 812) on 10.0.0.5:8000' },
    ]);
  });

  it('may have that of a release that the same plan removes', async () => {
    const host = held(line(LOOPBACK, 8000, 4711));
    const values = { intent: 'rollback', from: [on(8000, 'embed')], to: [on(8000)], host } as const;
    expect(await ports(asking(values))).toMatchObject([{ satisfied: true }]);
  });

  it('wants the port of the container on the network of the host', async () => {
    const [one] = containersOf(on(8000).wanted).services;
    const host = { listening: { '127.0.0.1:80': 'taken' } } as const;
    const services = [{ ...(one ?? service()), network: 'host' as const }];
    expect(await ports(asking({ to: [packed({ services })], host }))).toMatchObject([
      { satisfied: false, needs: '127.0.0.1:80 is free for service server of release chat' },
    ]);
  });

  it('survives malformed tables and processes', async () => {
    const host = held('x\n 0: ZZ:1 0A\n 1: 0100007F:1F40 0 0A');
    expect(await ports(asking({ to: [on(8000)], host }))).toMatchObject([{ satisfied: false }]);
  });
});
