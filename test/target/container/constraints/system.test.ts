import { describe, expect, it } from 'vitest';
import { GIB } from '../../../../src/core/limits.ts';
import type { HostNeeds } from '../../../../src/format/deployment.ts';
import {
  connection,
  engine,
  kernel,
  memory,
  names,
  nodes,
  platform,
  processor,
  scaling,
} from '../../../../src/target/container/constraints/system.ts';
import { hostPlatform } from '../../../../src/target/host/platform.ts';
import { asking, type Packed, packed } from '../../../support/constraint-input.ts';
import { service } from '../../../support/deployed.ts';

const needing = (host: HostNeeds): Packed =>
  packed({}, { requires: { releases: [], conflicts: [], host } });

describe('when a release needs a kernel', () => {
  it.each([
    ['>=5.10', '6.1.0-18-amd64', true],
    ['>=5.14', '5.14.0-427.13.1.el9_4.x86_64', true],
    ['>=5.15', '5.14.0-427.13.1.el9_4.x86_64', false],
    ['>=6', '5.15.167.4-microsoft-standard-WSL2', false],
    ['>=6.8', '6.8.0-rc1+', true],
    ['>=5.4', 'nonsense', false],
  ])('%s, and finds %s: %s', async (range, release, satisfied) => {
    const host = { files: { '/proc/sys/kernel/osrelease': `${release}\n` } };
    expect(await kernel(asking({ to: [needing({ kernel: range })], host }))).toEqual([
      {
        rule: 'kernel',
        satisfied,
        needs: `Linux ${range} for release chat 1.0.0`,
        found: `Linux ${release}`,
      },
    ]);
  });

  it('does not accept a missing answer', async () => {
    expect(await kernel(asking({ to: [needing({ kernel: '*' })] }))).toMatchObject([
      { satisfied: false, found: 'an unknown kernel version' },
    ]);
  });
});

describe('when a release needs an engine', () => {
  it.each([
    [{ podman: '>=4.3' }, 'podman', '4.3.1', true],
    [{ podman: '>=4.4' }, 'podman', '4.3.1', false],
    [{ podman: '>=5' }, 'podman', '5.0.0-dev', true],
    [{ docker: '>=24' }, 'podman', '5.0.0', false],
    [{ docker: '>=20.10' }, 'docker', '20.10.24+dfsg1', true],
    [{ podman: '>=5', docker: '>=24' }, 'docker', '27.0.3', true],
  ])('%j, and finds %s %s: %s', (ranges, name, version, satisfied) => {
    const found = { engine: name, version, systemd: false, rootless: false, names: true };
    const wish = Object.entries(ranges).map((each) => each.join(' '));
    expect(engine(asking({ to: [needing({ engine: ranges })], facts: found }))).toEqual([
      {
        rule: 'engine',
        satisfied,
        needs: `${wish.join(', or ')} for release chat 1.0.0`,
        found: `${name} ${version}`,
      },
    ]);
  });
});

describe('when services of a release reach each other by name', () => {
  const two = packed({ services: ['api', 'db'].map((name) => service({ name })) });
  const podman = { engine: 'podman', version: '4.3.1', systemd: false, rootless: false };

  it.each([true, false])('needs name resolution: %s', (found) => {
    const asked = asking({ to: [two], facts: { ...podman, names: found } });
    const [constraint, ...others] = names(asked);
    expect(others).toEqual([]);
    expect(constraint).toMatchObject({
      rule: 'names',
      satisfied: found,
      found: expect.stringContaining(found ? 'with name resolution' : 'install netavark'),
    });
  });

  it('asks nothing for a service alone', () => {
    const one = packed({ services: [service()] });
    expect(names(asking({ to: [one], facts: { ...podman, names: false } }))).toEqual([]);
  });
});

describe('when a rootless engine connects networks with the host', () => {
  const facts = { engine: 'podman', version: '4.3.1', systemd: false, rootless: true, names: true };
  const one = packed({ services: [service()] });

  it.each([
    [true, 'a program'],
    [false, 'install the package slirp4netns'],
  ])('needs a program for that: %s', (connects, found) => {
    expect(connection(asking({ to: [one], facts: { ...facts, connects } }))).toEqual([
      {
        ...{ rule: 'network', satisfied: connects, found: expect.stringContaining(found) },
        needs: 'networks of rootless podman for the services of release chat 1.0.0',
      },
    ]);
  });

  it('asks nothing of an engine that needs none, and for services without a network', () => {
    expect(connection(asking({ to: [one], facts }))).toEqual([]);
    const alone = packed({ services: [service({ network: 'none' })] });
    expect(connection(asking({ to: [alone], facts: { ...facts, connects: false } }))).toEqual([]);
  });
});

describe('when a release needs features of the processor', () => {
  const x86 = 'flags\t\t: fpu sse4_2 avx avx2\n';
  const arm = 'Features\t: fp asimd sve\n';

  it.each([
    [['avx2'], x86, true, 'all of them'],
    [['avx2', 'avx512f', 'amx_bf16'], x86, false, 'processors without avx512f, amx_bf16'],
    [['sve'], arm, true, 'all of them'],
    [['sve2'], arm, false, 'processors without sve2'],
    [['avx'], `${x86}\n${x86.replace(' avx avx2', '')}`, false, 'processors without avx'],
    [['av'], x86, false, 'processors without av'],
    [['avx'], 'model name: x\n', false, 'unknown processor features'],
  ])('%j: %s', async (cpuFeatures, text, satisfied, found) => {
    const host = { files: { '/proc/cpuinfo': `processor : 0\n${text}` } };
    expect(await processor(asking({ to: [needing({ cpuFeatures })], host }))).toEqual([
      {
        rule: 'cpu',
        satisfied,
        needs: `processors with ${cpuFeatures.join(', ')} for release chat 1.0.0`,
        found,
      },
    ]);
  });
});

describe('when a release asks for nothing, or runs nothing here', () => {
  it('is asked for nothing', async () => {
    const host = { kernel: '>=99', engine: { podman: '>=99' }, cpuFeatures: ['none'] };
    const served = packed({ services: [] }, needing(host).bundle);
    for (const question of [asking({ to: [packed()] }), asking({ to: [served] })])
      expect([
        ...(await kernel(question)),
        ...engine(question),
        ...(await processor(question)),
      ]).toEqual([]);
  });
});

describe('when a release was built for certain platforms', () => {
  const host = hostPlatform();

  it('says for which', () => {
    const foreign = packed({}, { platforms: ['linux/riscv64'] });
    expect(platform(asking({ to: [foreign] }))).toEqual([
      {
        rule: 'platform',
        satisfied: false,
        needs: `release chat 1.0.0 built for ${host}`,
        found: 'linux/riscv64',
      },
    ]);
  });

  it('names an image that was not', () => {
    const { bundle, wanted } = packed();
    const images = bundle.images.map((each) => ({
      ...each,
      platforms: each.platforms.map((one) => ({ ...one, platform: 'linux/riscv64' })),
    }));
    expect(platform(asking({ to: [{ wanted, bundle: { ...bundle, images } }] }))).toMatchObject([
      { satisfied: false, found: `${host}, without image server` },
    ]);
  });

  it('accepts this platform, and any platform without a workload', () => {
    expect(platform(asking({ to: [packed()] }))).toMatchObject([{ satisfied: true }]);
    const served = packed({ services: [] }, { platforms: ['linux/riscv64'] });
    expect(platform(asking({ to: [served] }))).toEqual([]);
  });
});

describe('when a manifest has fields for clusters', () => {
  it('tells which of them a host ignores, and refuses nothing', () => {
    const one = { name: 'server', image: 'server' };
    const services = [
      { ...one, replicas: 3, disruption: 1, spread: ['rack'], requests: { cpus: 1 } },
      { ...one, name: 'other' },
    ] as unknown as Packed['bundle']['services'];
    const { bundle, wanted } = packed({});
    const rules = scaling(asking({ to: [{ bundle: { ...bundle, services }, wanted }] }));
    expect(rules).toEqual([
      {
        ...{ rule: 'ignored', satisfied: true },
        needs: 'replicas, disruption, spread, requests of service server of release chat 1.0.0',
        found: 'ignored on this host: one container',
      },
    ]);
  });

  it('refuses a service that spans several nodes', () => {
    const services = [
      { name: 'server', image: 'server', nodes: { count: 4, ports: [1], worker: { args: [] } } },
      { name: 'other', image: 'server' },
    ] as unknown as Packed['bundle']['services'];
    const { bundle, wanted } = packed({});
    const asked = asking({ to: [{ bundle: { ...bundle, services }, wanted }] });
    expect(nodes(asked)).toEqual([
      {
        ...{ rule: 'nodes', satisfied: false },
        needs: 'service server of release chat 1.0.0 on one host',
        found: 'it needs a cluster: it spans 4 nodes',
      },
    ]);
    expect(scaling(asked)).toEqual([]);
  });
});

const host = { files: { '/proc/meminfo': `MemFree: 1 kB\nMemTotal:       ${16 * 2 ** 20} kB\n` } };

/** A release whose services may use this much, each. */
function limited(name: string, ...gibibytes: readonly number[]): Packed {
  const services = gibibytes.map((each, index) =>
    service({ release: name, name: `s${index}`, memory: each * GIB }),
  );
  return packed({ name, services });
}

describe('when a release needs a host with memory', () => {
  it.each([
    [16, true],
    [17, false],
  ])('%i GiB: %s', async (gibibytes, satisfied) => {
    const needs = { releases: [], conflicts: [], host: { memory: gibibytes * GIB } };
    expect(await memory(asking({ to: [packed({}, { requires: needs })], host }))).toEqual([
      {
        rule: 'memory',
        satisfied,
        needs: `a host with ${gibibytes}.00 GiB of memory for release chat 1.0.0`,
        found: '16.00 GiB in total',
      },
    ]);
  });
});

describe('when services have memory limits', () => {
  it('adds them up', async () => {
    expect(await memory(asking({ to: [limited('chat', 9, 8)], host }))).toEqual([
      {
        rule: 'memory',
        satisfied: false,
        needs: '17.00 GiB of memory for the services of release chat 1.0.0',
        found: '16.00 GiB: 16.00 GiB minus 0 B reserved by other releases',
      },
    ]);
  });

  it.each([
    [8, true],
    [9, false],
  ])('leaves other releases what they reserve: %i GiB beside 8: %s', async (own, satisfied) => {
    const other = limited('embed', 4, 4);
    const found = await memory(asking({ from: [other], to: [other, limited('chat', own)], host }));
    expect(found).toMatchObject([
      { satisfied, found: '8.00 GiB: 16.00 GiB minus 8.00 GiB reserved by other releases' },
    ]);
  });

  it('does not count its own predecessor', async () => {
    const values = { from: [limited('chat', 15)], to: [limited('chat', 16)], host };
    expect(await memory(asking(values))).toMatchObject([{ satisfied: true }]);
  });

  it('fails if the memory is unknown', async () => {
    expect(await memory(asking({ to: [limited('chat', 1)] }))).toMatchObject([
      { satisfied: false, found: 'unknown: this host does not report its memory' },
    ]);
  });

  it('asks nothing of services that say nothing', async () => {
    expect(await memory(asking({ to: [packed()] }))).toEqual([]);
  });
});
