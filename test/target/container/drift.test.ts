import { describe, expect, it } from 'vitest';
import { digestHex } from '../../../src/core/digest.ts';
import type { RenderedService } from '../../../src/format/containers.ts';
import {
  labelsOf,
  limitArguments,
  variablesOf,
} from '../../../src/target/container/container-arguments.ts';
import type {
  ImageDefaults,
  InspectedContainer,
} from '../../../src/target/container/container-settings.ts';
import { containerFrom, withDrift } from '../../../src/target/container/drift.ts';
import { service, services } from './services.ts';

const image: ImageDefaults = {
  entrypoint: ['/usr/bin/server'],
  command: ['--default'],
  env: ['LANG=C'],
  user: 'nobody',
};
const llm = services['llama.cpp'] ?? service();
const createdBy = ['run', '--name', llm.unit, '--label', 'a=b', 'IMAGE'];

type Config = NonNullable<InspectedContainer['Config']>;
type Host = NonNullable<InspectedContainer['HostConfig']>;

/** What podman reports of the container of {@link llm}, with these changes. */
function inspected(
  values: InspectedContainer = {},
  { config = {}, host = {} }: { config?: Config; host?: Host } = {},
): string {
  const labels = labelsOf(llm).map((each) => each.split('=') as [string, string]);
  const container = {
    State: { Running: true, Status: 'running', StartedAt: '2026-11-28T10:00:00Z' },
    Image: digestHex(llm.image.config),
    RestartCount: 0,
    Path: '/app/llama-server',
    Args: llm.args,
    BoundingCaps: null,
    Mounts: [
      bind('/var/lib/stowage/files/vocabulary', '/vocabulary'),
      bind('/var/lib/stowage/models/gpt-oss', '/models'),
    ],
    NetworkSettings: { Networks: { 'stowage-chat-1': {}, 'stowage-chat-1--published': {} } },
    ...values,
    Config: {
      User: '10001:10001',
      Env: [...variablesOf(llm), 'LANG=C', 'container=podman', 'HOSTNAME=abc', 'PATH=/bin'],
      Labels: Object.fromEntries(labels),
      Secrets: [{ Name: 'stowage-chat-1-token-0123456789ab' }],
      CreateCommand: ['podman', ...createdBy],
      ...config,
    },
    HostConfig: {
      NetworkMode: 'bridge',
      PortBindings: { '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: '18080' }] },
      Privileged: false,
      ReadonlyRootfs: true,
      SecurityOpt: ['no-new-privileges'],
      Tmpfs: { '/tmp': '' },
      Memory: llm.memory,
      NanoCpus: 7.5e9,
      PidsLimit: 4096,
      ShmSize: 65_536_000,
      ...host,
    },
  };
  return JSON.stringify([container]);
}

function bind(Source: string, Destination: string, RW = false) {
  return { Type: 'bind', Source, Destination, RW };
}

function drift(printed: string, of: RenderedService = llm, command: string[] = createdBy) {
  const engine = {
    variables: variablesOf(of),
    secretFiles: [],
    ownSecrets: true,
    createdBy: command,
  };
  return withDrift(of, containerFrom(printed), { image, engine }).drift;
}

const env = (...added: string[]): string[] => [...variablesOf(llm), ...added];

describe('when a container is what its service needs', () => {
  it('has not drifted', () => {
    expect(drift(inspected())).toEqual([]);
  });

  it.each([
    ['a limit that the host cannot set', inspected({}, { host: { Memory: 0, PidsLimit: 0 } })],
    ['memory that the engine mounts itself', inspected({}, { host: { Tmpfs: { '/run': '' } } })],
    [
      'what an older engine does not report',
      JSON.stringify([
        {
          State: {},
          Config: { Labels: Object.fromEntries(labelsOf(llm).map((each) => each.split('='))) },
        },
      ]),
    ],
    [
      'a variable that the settings of the host add to every container',
      inspected({}, { config: { Env: env('LANG=C', 'http_proxy=http://proxy') } }),
    ],
  ])('ignores %s', (_, printed) => {
    expect(drift(printed)).toEqual([]);
  });

  it.each([
    ['', '0.0.0.0'],
    ['0.0.0.0', '0.0.0.0'],
    ['::', '::'],
    ['0:0:0:0:0:0:0:0', '::'],
  ])('knows the address of every interface as %j', (HostIp, address) => {
    const each = { ...llm, ports: [{ name: 'http', address, host: 18_080, container: 8080 }] };
    const PortBindings = { '8080/tcp': [{ HostIp, HostPort: '18080' }] };
    const fields = drift(inspected({}, { host: { PortBindings } }), each).map(({ field }) => field);
    expect(fields).toEqual(['label stowage.specification']);
  });
});

describe('when a container publishes on another address', () => {
  const at = (address: string) => ({
    ...llm,
    ports: [{ name: 'http', address, host: 18_080, container: 8080 }],
  });

  it.each<[found: string, needed: string, same: boolean]>([
    ['::1', '::1', true],
    ['0:0:0:0:0:0:0:1', '::1', true],
    ['FD00::2', 'fd00::2', true],
    ['fd00::2', 'fd00::3', false],
    ['127.0.0.1', '::1', false],
    ['::1', '127.0.0.1', false],
    ['', '::', false],
    ['::', '0.0.0.0', false],
  ])('compares %j with %s', (HostIp, needed, same) => {
    const PortBindings = { '8080/tcp': [{ HostIp, HostPort: '18080' }] };
    const ports = drift(inspected({}, { host: { PortBindings } }), at(needed)).filter(
      ({ field }) => field === 'ports',
    );
    const found = HostIp === '' ? '0.0.0.0' : HostIp.includes(':') ? `[${HostIp}]` : HostIp;
    const expected = needed.includes(':') ? `[${needed}]` : needed;
    expect(ports).toEqual(
      same
        ? []
        : [
            {
              field: 'ports',
              expected: `${expected}:18080:8080`,
              found: `${found}:18080:8080`,
            },
          ],
    );
  });
});

describe('when a container was changed', () => {
  it.each<[field: string, printed: string]>([
    ['image', inspected({ Image: 'f'.repeat(64) })],
    [
      'label stowage.specification',
      inspected({}, { config: { Labels: { 'stowage.release': 'chat-1' } } }),
    ],
    ['label stowage.specification', inspected({}, { config: { Labels: null } })],
    ['arguments', inspected({ Path: '/bin/node', Args: ['-e', 'setInterval(() => {}, 1000)'] })],
    ['arguments', inspected({ Args: [...llm.args, '--verbose'] })],
    ['arguments', inspected({ Args: null })],
    ['user', inspected({}, { config: { User: '0' } })],
    ['environment HF_HUB_OFFLINE', inspected({}, { config: { Env: env('HF_HUB_OFFLINE=1') } })],
    [
      'environment DO_NOT_TRACK',
      inspected({}, { config: { Env: env().filter((each) => !each.startsWith('DO_NOT_TRACK')) } }),
    ],
    [
      'environment LANG',
      inspected(
        {},
        {
          config: { Env: env('LANG=evil'), CreateCommand: ['podman', 'run', '--env', 'LANG=evil'] },
        },
      ),
    ],
    [
      'environment LD_PRELOAD',
      inspected(
        {},
        {
          config: {
            Env: env('LD_PRELOAD=/x.so'),
            CreateCommand: ['podman', 'run', '--env', 'LD_PRELOAD=/x.so'],
          },
        },
      ),
    ],
    [
      'ports',
      inspected(
        {},
        { host: { PortBindings: { '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: '18089' }] } } },
      ),
    ],
    [
      'ports',
      inspected(
        {},
        { host: { PortBindings: { '8080/tcp': [{ HostIp: '0.0.0.0', HostPort: '18080' }] } } },
      ),
    ],
    ['ports', inspected({}, { host: { PortBindings: null } })],
    ['mounts', inspected({ Mounts: [bind('/var/lib/stowage/models/gpt-oss', '/models', true)] })],
    ['mounts', inspected({ Mounts: [] })],
    ['secrets', inspected({}, { config: { Secrets: null } })],
    ['networks', inspected({}, { host: { NetworkMode: 'host' } })],
    ['networks', inspected({ NetworkSettings: { Networks: { 'stowage-chat-1': {} } } })],
    ['read-only root', inspected({}, { host: { ReadonlyRootfs: false } })],
    ['privileged', inspected({}, { host: { Privileged: true } })],
    ['capabilities', inspected({ BoundingCaps: ['CAP_SYS_ADMIN'] })],
    ['no new privileges', inspected({}, { host: { SecurityOpt: [] } })],
    ['memory', inspected({}, { host: { Memory: 1 } })],
    ['CPU limit', inspected({}, { host: { NanoCpus: 1e9 } })],
    ['process limit', inspected({}, { host: { PidsLimit: 1 } })],
    [
      'engine options',
      inspected({}, { config: { CreateCommand: ['podman', ...createdBy, 'more'] } }),
    ],
  ])('names %s', (field, printed) => {
    expect(drift(printed).map((each) => each.field)).toContain(field);
    expect(drift(printed)).toHaveLength(1);
  });

  it('says what was expected and found, but no value of a variable', () => {
    const [ports] = drift(
      inspected(
        {},
        { host: { PortBindings: { '8080/tcp': [{ HostIp: '127.0.0.1', HostPort: '18089' }] } } },
      ),
    );
    expect(ports).toEqual({
      field: 'ports',
      expected: '127.0.0.1:18080:8080',
      found: '127.0.0.1:18089:8080',
    });
    const all = drift(inspected({}, { config: { Env: env('HF_HUB_OFFLINE=s3cret') } }));
    expect(JSON.stringify(all)).not.toContain('s3cret');
  });

  it.each<[string, Config, string[]]>([
    ['once', { Entrypoint: '/usr/bin/server', Cmd: null }, []],
    ['once, by the arguments', { Entrypoint: null, Cmd: ['/usr/bin/server'] }, []],
    ['once, as a list', { Entrypoint: ['/usr/bin/server'] }, []],
    ['twice', { Entrypoint: '/usr/bin/server', Cmd: ['/usr/bin/server'] }, ['arguments']],
    ['twice, in the entrypoint', { Entrypoint: '/usr/bin/server /usr/bin/server' }, ['arguments']],
  ])('knows a command of one word, which podman 4.3 reports twice: %s', (_, config, fields) => {
    const found = { Path: '/usr/bin/server', Args: ['/usr/bin/server'] };
    const plain = { ...llm, entrypoint: '/usr/bin/server', args: [] };
    const drifted = drift(inspected(found, { config }), plain);
    expect(drifted.map(({ field }) => field).filter((each) => each === 'arguments')).toEqual(
      fields,
    );
  });

  it('compares what the image sets where the service sets nothing', () => {
    const plain = { ...service(), memory: 64 };
    const found = { Path: '/usr/bin/server', Args: ['--default'], Mounts: [] };
    const config = { User: 'root', Secrets: [], Env: variablesOf(plain) };
    const fields = drift(
      inspected(found, { config, host: { PortBindings: {}, NanoCpus: 0 } }),
      plain,
    )
      .map(({ field }) => field)
      .filter((field) => !['label stowage.specification', 'image'].includes(field));
    expect(fields).toEqual(['user', 'memory']);
  });
});

describe('when a service has limits of processes, or shares memory with its host', () => {
  const of: RenderedService = {
    ...llm,
    ulimits: { memlock: 'unlimited', nofile: 65_536 },
    ipc: 'host',
  };
  const limits = (memlock: number, nofile: number, prefix = 'RLIMIT_') => [
    { Name: `${prefix}${prefix === '' ? 'memlock' : 'MEMLOCK'}`, Soft: memlock, Hard: memlock },
    { Name: `${prefix}${prefix === '' ? 'nofile' : 'NOFILE'}`, Soft: nofile, Hard: nofile },
  ];

  it('is created with them', () => {
    expect(limitArguments(of).slice(-6)).toEqual([
      ...['--ulimit', 'memlock=-1:-1', '--ulimit', 'nofile=65536:65536', '--ipc', 'host'],
    ]);
    expect(limitArguments(llm).join(' ')).not.toMatch(/ulimit|ipc/);
  });

  it.each<[string, Host, string[]]>([
    ['podman', { Ulimits: limits(-1, 65_536), IpcMode: 'host' }, []],
    ['docker', { Ulimits: limits(-1, 65_536, ''), IpcMode: 'host' }, []],
    [
      'podman, with a limit',
      { Ulimits: limits(65_536, 65_536), IpcMode: 'host' },
      ['ulimit memlock'],
    ],
    [
      'docker, without limits',
      { Ulimits: null, IpcMode: 'host' },
      ['ulimit memlock', 'ulimit nofile'],
    ],
    ['an own name space', { Ulimits: limits(-1, 65_536), IpcMode: 'private' }, ['ipc']],
    ['an older engine', {}, []],
  ])('reports what differs: %s', (_, host, fields) => {
    const found = drift(inspected({}, { host }), of).map(({ field }) => field);
    expect(found.filter((each) => !each.startsWith('label'))).toEqual(fields);
  });

  it('leaves to the engine what the service does not set', () => {
    const host = { Ulimits: limits(65_536, 1024), IpcMode: 'shareable' };
    expect(drift(inspected({}, { host }))).toEqual([]);
  });
});
