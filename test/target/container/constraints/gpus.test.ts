import { describe, expect, it } from 'vitest';
import { GIB } from '../../../../src/core/limits.ts';
import type { GpuNeeds } from '../../../../src/format/deployment.ts';
import { gpus } from '../../../../src/target/container/constraints/gpus.ts';
import { asking, type Packed, packed } from '../../../support/constraint-input.ts';
import { service } from '../../../support/deployed.ts';
import type { FakeHost } from '../../../support/fake-host.ts';

const docker = {
  engine: 'docker',
  version: '27.0.0',
  systemd: false,
  rootless: false,
  names: true,
};

function nvidia(...lines: readonly string[]): FakeHost {
  return { programs: { 'nvidia-smi': { printed: lines.map((line) => `${line}\n`).join('') } } };
}

const A100 = 'NVIDIA A100-SXM4-80GB, 81920, 550.54.15, 8.0';
const T4 = 'Tesla T4, 15360, 550.54.15, 7.5';

function using(count: number | 'all', need?: Partial<GpuNeeds>, name = 'chat'): Packed {
  const host = need === undefined ? {} : { gpu: { vendor: 'nvidia', count: 1, ...need } as const };
  const requires = { releases: [], conflicts: [], host };
  return packed({ name, services: [service({ release: name, gpus: count })] }, { requires });
}

describe('when a release needs GPUs', () => {
  const cases: readonly [string, Partial<GpuNeeds>, FakeHost, boolean, string][] = [
    ['one that is there', {}, nvidia(`0, ${A100}`), true, '1 GPU suitable'],
    ['two of one', { count: 2 }, nvidia(`0, ${A100}`), false, '1 GPU suitable'],
    [
      'more memory',
      { memory: 40 * GIB },
      nvidia(`0, ${T4}`, `1, ${A100}`),
      true,
      '1 GPU suitable; unsuitable: Tesla T4 (15.00 GiB, compute capability 7.5, driver 550.54.15)',
    ],
    [
      'memory that nobody tells',
      { memory: GIB },
      nvidia('0, NVIDIA GB10, [N/A], 580.95.05, 12.1'),
      false,
      '0 GPUs suitable; unsuitable: NVIDIA GB10 (memory unknown, compute capability 12.1, driver 580.95.05)',
    ],
    [
      'a capability',
      { computeCapability: '8.0' },
      nvidia(`0, ${T4}`),
      false,
      '0 GPUs suitable; unsuitable: Tesla T4 (15.00 GiB, compute capability 7.5, driver 550.54.15)',
    ],
    [
      'a capability of two digits',
      { computeCapability: '9.0' },
      nvidia('0, B200, 1, 570.1, 10.0'),
      true,
      '1 GPU suitable',
    ],
    [
      'the driver that is there',
      { driver: '550.54.15' },
      nvidia(`0, ${A100}`),
      true,
      '1 GPU suitable',
    ],
    [
      'an older driver, by number',
      { driver: '550.9' },
      nvidia(`0, ${A100}`),
      true,
      '1 GPU suitable',
    ],
    [
      'a newer driver',
      { driver: '550.100' },
      nvidia(`0, ${A100}`),
      false,
      '0 GPUs suitable; unsuitable: NVIDIA A100-SXM4-80GB (80.00 GiB, compute capability 8.0, driver 550.54.15)',
    ],
    ['one where there is no tool', {}, {}, false, 'nvidia-smi is not installed'],
    ['one where the tool prints nothing', {}, nvidia(), false, '0 GPUs suitable'],
    [
      'one where the tool complains',
      {},
      nvidia('No devices were found'),
      false,
      'nvidia-smi printed unexpected output',
    ],
    [
      'one where the tool hangs',
      {},
      { programs: { 'nvidia-smi': { why: 'nvidia-smi: a program that hangs' } } },
      false,
      'nvidia-smi: a program that hangs',
    ],
  ];
  it.each(cases)('%s', async (_, need, host, satisfied, found) => {
    const [first] = await gpus(asking({ to: [using(1, need)], host, facts: docker }));
    expect(first).toMatchObject({ rule: 'gpu', satisfied, found });
  });

  it('says all that it needs', async () => {
    const need = { count: 2, memory: 40 * GIB, computeCapability: '8.0', driver: '550.54' };
    const [first] = await gpus(asking({ to: [using(2, need)], facts: docker }));
    expect(first?.needs).toBe(
      '2 GPUs of nvidia with 40.00 GiB of memory, compute capability 8.0, driver 550.54 or more for release chat 1.0.0',
    );
  });

  it('needs none when its services ask for none, whoever else does', async () => {
    const other = using(1, undefined, 'embed');
    expect(await gpus(asking({ from: [other], to: [other, packed()] }))).toEqual([]);
  });

  it('escapes what a tool prints', async () => {
    const host = nvidia('0, \u001b[2Jevil, 1, 1, 1.0');
    const [first] = await gpus(asking({ to: [using(1, { memory: GIB })], host, facts: docker }));
    expect(first?.found).toContain('?[2Jevil');
  });
});

describe('when releases share a host', () => {
  const two = nvidia(`0, ${A100}`, `1, ${A100}`);
  const ask = async (other: Packed, own: Packed): Promise<unknown> =>
    gpus(asking({ from: [other], to: [other, own], host: two, facts: docker }));

  it.each([
    [1, 1, true],
    [1, 2, false],
    [2, 1, false],
    ['all', 1, true],
  ] as const)('that counts on %s and this on %s: %s', async (theirs, own, satisfied) => {
    const found = await ask(using(theirs, undefined, 'embed'), using(own));
    expect(found).toMatchObject([
      { satisfied, found: expect.stringMatching(/; \d+ reserved by other releases/) },
    ]);
  });

  it('believes a release that says that its services share one', async () => {
    const services = ['a', 'b', 'c'].map((name) => service({ name, gpus: 1 }));
    const gpu = { vendor: 'nvidia', count: 1 } as const;
    const requires = { releases: [], conflicts: [], host: { gpu } };
    const sharing = packed({ services }, { requires });
    expect(await ask(using(1, undefined, 'embed'), sharing)).toMatchObject([{ satisfied: true }]);
    expect(await ask(using(1, undefined, 'embed'), packed({ services }))).toMatchObject([
      { satisfied: false },
    ]);
  });
});

describe('when podman passes GPUs to containers', () => {
  const specification = (names: readonly string[], kind = 'nvidia.com/gpu'): string =>
    `---\ncdiVersion: 0.5.0\nkind: ${kind}\ndevices:\n${names.map((name) => `- name: "${name}"\n  containerEdits: {}\n`).join('')}`;
  const cases: readonly [string, Record<string, string>, number | 'all', boolean, string][] = [
    ['YAML', { '/etc/cdi/nvidia.yaml': specification(['0', '1', 'all']) }, 2, true, 'all of them'],
    [
      'JSON, made at start',
      {
        '/var/run/cdi/n.json': JSON.stringify({
          kind: 'nvidia.com/gpu',
          devices: [{ name: 'all' }],
        }),
      },
      'all',
      true,
      'all of them',
    ],
    [
      'one too few',
      { '/etc/cdi/nvidia.yaml': specification(['0']) },
      2,
      false,
      'no nvidia.com/gpu=1 in /etc/cdi or /var/run/cdi',
    ],
    [
      'those of another vendor',
      { '/etc/cdi/x.yaml': specification(['0'], 'amd.com/gpu') },
      1,
      false,
      'no nvidia.com/gpu=0 in /etc/cdi or /var/run/cdi',
    ],
    [
      'rubbish',
      { '/etc/cdi/x.yaml': '\u0000{{{' },
      1,
      false,
      'no nvidia.com/gpu=0 in /etc/cdi or /var/run/cdi',
    ],
    ['nothing', {}, 1, false, 'no nvidia.com/gpu=0 in /etc/cdi or /var/run/cdi'],
  ];
  it.each([
    ['27.5.1', 1],
    ['28.3.0', 2],
  ])('asks docker %s as it takes them: %i answers', async (version, count) => {
    const own = { ...docker, version };
    const found = await gpus(asking({ to: [using(1)], host: nvidia(`0, ${A100}`), facts: own }));
    expect(found).toHaveLength(count);
  });

  it.each(cases)('finds %s', async (_, files, count, satisfied, found) => {
    const host = { ...nvidia(`0, ${A100}`, `1, ${A100}`), files };
    const [, devices] = await gpus(asking({ to: [using(count)], host }));
    expect(devices).toMatchObject({ rule: 'gpu', satisfied, found });
    expect(devices?.needs).toMatch(/^container devices nvidia.com\/gpu=.* nvidia-ctk cdi generate/);
  });
});

describe('when a release needs GPUs of AMD', () => {
  const printed = JSON.stringify({
    card0: { 'Card Series': 'AMD Instinct MI300X', 'VRAM Total Memory (B)': String(192 * GIB) },
    card1: { 'Card series': 'AMD Radeon', 'VRAM Total Memory (B)': String(16 * GIB) },
    system: { 'Driver version': '6.7.0' },
  });
  const ask = async (text: string, need: Partial<GpuNeeds>): Promise<unknown> => {
    const host = { programs: { 'rocm-smi': { printed: text } } };
    const [first] = await gpus(
      asking({ to: [using(1, { vendor: 'amd', ...need })], host, facts: docker }),
    );
    return first;
  };

  it('asks their own tool', async () => {
    expect(await ask(printed, { memory: 64 * GIB, driver: '6.0' })).toMatchObject({
      satisfied: true,
      found: '1 GPU suitable; unsuitable: AMD Radeon (16.00 GiB, driver 6.7.0)',
    });
    expect(await ask(printed, { driver: '6.10' })).toMatchObject({ satisfied: false });
  });

  it.each(['WARNING: no driver', '[]', 'null', '{"card0":null}', ''])(
    'makes nothing of %j',
    async (text) => {
      expect(await ask(text, {})).toMatchObject({ satisfied: false });
    },
  );
});
