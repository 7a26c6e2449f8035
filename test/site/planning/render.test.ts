import { beforeAll, describe, expect, it } from 'vitest';
import { digestHex } from '../../../src/core/digest.ts';
import { checkDocument } from '../../../src/format/document.ts';
import {
  type DeployedRelease,
  generationKind,
  generationSchema,
} from '../../../src/format/plan.ts';
import type { Service } from '../../../src/format/service.ts';
import { type Site, siteKind } from '../../../src/format/site.ts';
import { renderRelease } from '../../../src/site/planning/render.ts';
import { containersOf } from '../../../src/target/container/workload.ts';
import { hostPlatform } from '../../../src/target/host/platform.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
let small: SmallBundle;

beforeAll(async () => {
  small = await smallBundle({
    place: scratch.fresh(),
    parameters: {
      port: { type: 'string', default: '8080', description: '' },
      level: { type: 'integer', default: 3, description: '' },
      database: { type: 'string', default: '10.0.0.1', description: '' },
    },
    services: [
      {
        name: 'server',
        image: 'server',
        entrypoint: '/bin/server',
        args: ['--level', '${parameters.level}', '$HOME'],
        env: { LEVEL: 'l${parameters.level}' },
        mounts: [
          { model: 'tiny', path: '/models/tiny' },
          { files: 'settings', path: '/etc/settings.json' },
          { memory: '64MiB', path: '/tmp' },
        ],
        ports: [
          { name: 'http', container: 80, host: '${parameters.port}' },
          { name: 'metrics', container: 90, host: 9090 },
        ],
      },
    ],
  });
});

function render(
  values: Record<string, unknown> = {},
  address = '127.0.0.1',
  more: Partial<Service> = {},
  settings: Partial<Site> = {},
): DeployedRelease {
  const site: Site = checkDocument(siteKind, {
    apiVersion: 'stowage/v1',
    name: 'site',
    address,
    parameters: { chat: values },
    ...settings,
  });
  const place = {
    ...{ settings: site, siteId: '0a1b2c3d', target: fakeTarget() },
    files: '/site/layouts/x',
    platform: hostPlatform(),
    templates: new Map(),
    ownSecrets: [],
    secretNames: new Map(),
  };
  const services = small.bundle.services.map((each) => ({ ...each, ...more }));
  return renderRelease({ id: small.id, bundle: { ...small.bundle, services } }, place);
}

describe('when a release is rendered', () => {
  it('fills every value in', () => {
    const [service] = containersOf(render({ port: '9000', level: 5 }, '10.0.0.7')).services;
    expect(service).toMatchObject({
      release: 'chat',
      unit: 'stowage-0a1b2c3d-chat-server',
      entrypoint: '/bin/server',
      args: ['--level', '5', '$HOME'],
      env: { LEVEL: 'l5' },
      mounts: [
        { source: '/site/layouts/x/models/tiny', path: '/models/tiny' },
        { source: '/site/layouts/x/files/settings/settings.json', path: '/etc/settings.json' },
        { memory: 67_108_864, path: '/tmp' },
      ],
      ports: [
        { name: 'http', address: '10.0.0.7', host: 9000, container: 80 },
        { name: 'metrics', address: '10.0.0.7', host: 9090, container: 90 },
      ],
    });
  });

  it('gives a service that publishes and has no peers one network alone', () => {
    const { networks, services } = containersOf(render());
    expect(networks).toEqual([
      {
        name: 'stowage-0a1b2c3d-chat--clients',
        ...{ release: 'chat', site: '0a1b2c3d', internal: false },
      },
    ]);
    expect(services[0]?.networks).toEqual(['stowage-0a1b2c3d-chat--clients']);
    expect(services[0]?.egress).toEqual([]);
  });

  it('gives a service that opens connections a network of its own, named after them', () => {
    const place = {
      to: '${parameters.database}',
      protocol: 'tcp',
      ports: [5432],
      reason: 'r',
    } as const;
    const values = { port: '9000', database: '10.0.0.5' };
    const own = (egress: Service['egress'] & object): string =>
      containersOf(render(values, '127.0.0.1', { egress }))
        .networks.map(({ name }) => name)
        .join();
    expect(own([place])).toMatch(/^stowage-0a1b2c3d-chat--server-[0-9a-f]{8}$/);
    expect(own([{ ...place, reason: 'another' }])).toBe(own([place]));
    expect(own([{ ...place, ports: [5433] }])).not.toBe(own([place]));
    const [service] = containersOf(render(values, '127.0.0.1', { egress: [place] })).services;
    expect(service?.egress).toEqual([{ to: '10.0.0.5', protocol: 'tcp', ports: [5432] }]);
  });

  it('adds what the site opens', () => {
    const opened = { to: '10.0.0.0/24', protocol: 'udp', ports: [514], reason: 'logs' } as const;
    const site = {
      egress: { chat: { server: [opened] }, other: { server: [{ ...opened, to: '::1' }] } },
    };
    const { reason: _, ...rendered } = opened;
    expect(containersOf(render({}, '127.0.0.1', {}, site)).services[0]?.egress).toEqual([rendered]);
  });

  it.each(['database.site', '10.0.0.5:5432', '10.0.0.0/33', ''])(
    'refuses %j as a place to connect to',
    async (database) => {
      const egress = [
        { to: '${parameters.database}', protocol: 'tcp', ports: [1], reason: 'r' },
      ] as const;
      const { found } = await expectCode(
        () => render({ database }, '127.0.0.1', { egress }),
        'site-invalid',
      );
      expect(found).toBe(JSON.stringify(database));
    },
  );

  it('names the image by the digest of its config', () => {
    const [image] = small.bundle.images;
    const config = image?.platforms[0]?.config;
    const hex = config === undefined ? '' : digestHex(config);
    expect(containersOf(render()).services[0]?.image).toEqual({
      repository: 'chat/server',
      manifest: image?.platforms[0]?.manifest,
      config,
      tag: `localhost/stowage/0a1b2c3d/chat/server:1.0.0-${hex.slice(0, 12)}`,
    });
  });

  it.each<[string, Partial<Service>]>([
    ['replicas', { replicas: 3 }],
    ['disruption', { replicas: 3, disruption: 1 }],
    ['spread', { replicas: 3, spread: ['kubernetes.io/hostname'] }],
    ['requests', { requests: { cpus: 1 } }],
    ['nodes', { nodes: { count: 2, ports: [5000], worker: { args: [] } } }],
  ])('is one container, whatever a cluster would do with its %s', (_, more) => {
    expect(containersOf(render({}, '127.0.0.1', more))).toEqual(containersOf(render()));
  });

  it('gives what a generation can keep', () => {
    const releases = [render()];
    checkDocument(generationKind, {
      schema: generationSchema(releases),
      number: 1,
      appliedAt: '2026-11-21T10:00:00Z',
      releases,
    });
  });

  it.each(['', '0', '65536', '80.5', '80a', '-1', '1e9', 'NaN'])(
    'refuses a port %j',
    async (port) => {
      const error = await expectCode(() => render({ port }), 'site-invalid');
      expect(error.hint).toContain('${parameters.port}');
    },
  );

  it.each(['1', '65535'])('takes a port %j', (port) => {
    expect(containersOf(render({ port })).services[0]?.ports[0]?.host).toBe(Number(port));
  });
});
