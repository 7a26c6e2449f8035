import { execFile, execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import type { Catalog } from '../../src/depot/catalog.ts';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import { bundleKind } from '../../src/format/bundle.ts';
import { readCanonical } from '../../src/format/document.ts';
import { renderedObjectsKind } from '../../src/format/rendered-objects.ts';
import { entriesOf } from '../../src/site/catalog/catalog.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { downloadModule } from '../lab/go.ts';
import { clientPrograms } from '../lab/kubernetes/clients.ts';
import { pushLayout, type Registry, startRegistry } from '../lab/registry.ts';
import { tinyImage } from '../lab/tiny-image.ts';
import { type Ran, stowage } from './cli.ts';

// Charts as their projects publish them in Go modules: LeaderWorkerSet, Node Feature Discovery, KServe; and the definitions
// of the Gateway API as a kustomization. Their images are small ones under the same names in a registry of this test.
const work = mkdtempSync(join(tmpdir(), 'charts-'));
let registry: Registry;
let repository: Server;
let env: NodeJS.ProcessEnv;

const inWork = (...path: readonly string[]): string => join(work, ...path);
const run = (...args: readonly string[]): Promise<Ran> => stowage({ cwd: work, env }, ...args);
/** Not synchronous: the depot that it asks runs in this process. */
async function helm(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('helm', args, {
    ...{ cwd: work, env: { ...env, HOME: work } },
    ...{ maxBuffer: 32 * 1024 * 1024, timeout: 60_000 },
  });
  return stdout;
}

async function must(...args: readonly string[]): Promise<Ran> {
  const ran = await run(...args);
  expect(ran.status, `${args.join(' ')}: ${ran.stderr}`).toBe(0);
  return ran;
}

function copyOf(folder: string, name: string): string {
  cpSync(folder, inWork(name), { recursive: true });
  execFileSync('chmod', ['-R', 'u+w', inWork(name)]);
  return inWork(name);
}

beforeAll(async () => {
  const clients = await clientPrograms();
  env = { STOWAGE_STORE: inWork('store'), PATH: `${clients}:${process.env['PATH']}` };
  registry = await startRegistry(inWork('registry'));
  const [lws, nfd, kserve, gateway] = await Promise.all(
    [
      'sigs.k8s.io/lws@v0.7.0',
      'sigs.k8s.io/node-feature-discovery@v0.17.3',
      'github.com/kserve/kserve@v0.15.2',
      'sigs.k8s.io/gateway-api@v1.3.0',
    ].map(async (module) => (await downloadModule(module)).Dir),
  );
  copyOf(`${lws}/charts/lws`, 'lws');
  copyOf(`${nfd}/deployment/helm/node-feature-discovery`, 'nfd');
  copyOf(`${kserve}/charts/kserve-resources`, 'kserve');
  copyOf(`${gateway}/config/crd`, 'gateway');
  const values = readFileSync(inWork('kserve/values.yaml'), 'utf8');
  const images = new Map<string, string>();
  const version = /defaultVersion (v[0-9.]+)/.exec(values)?.[1] ?? '';
  const own = values.replace(
    /^( *image: )((?:docker\.io\/|nvcr\.io\/)?([a-z-]+\/[a-z-]+))\n( *tag: )(\S+)/gm,
    (_, image: string, __, path: string, tag: string, given: string) => {
      images.set(path, given.startsWith('*') ? version : given);
      return `${image}${registry.host}/${path}\n${tag}${given}`;
    },
  );
  writeFileSync(
    inWork('kserve-values.yaml'),
    own.replace(/image: (kserve\/[a-z-]+)$/gm, (_, path) => {
      images.set(path, version);
      return `image: ${registry.host}/${path}`;
    }),
  );
  images.set('lws/lws', 'v0.7.0').set('nfd/node-feature-discovery', 'v0.17.3');
  images.set('kube-rbac-proxy', '1.0').set('kserve/art-explainer', version);
  const { layout, tag } = await tinyImage(inWork('layout'));
  await pushLayout(layout, tag, `${registry.host}/kserve/huggingfaceserver:${version}-gpu`);
  for (const [path, each] of images)
    await pushLayout(layout, tag, `${registry.host}/${path}:${each}`);
  await helm('package', 'lws', '--destination', 'packages');
  await helm('push', 'packages/lws-0.1.0.tgz', `oci://${registry.host}/charts`, '--plain-http');
  await helm('package', 'nfd', '--destination', 'repository');
  await helm('repo', 'index', 'repository');
  repository = createServer(({ url = '' }, response) => {
    try {
      response.end(readFileSync(inWork('repository', url.slice(1))));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((settle) => repository.listen(0, '127.0.0.1', settle));
  writeFileSync(inWork('tools.yaml'), manifest());
});
afterAll(async () => {
  repository?.close();
  await registry?.stop();
  rmSync(work, { recursive: true, force: true });
});

const nfdVersion = (): string =>
  /^version: (\S+)/m.exec(readFileSync(inWork('nfd/Chart.yaml'), 'utf8'))?.[1] ?? '';

function manifest(version = '1.0.0'): string {
  const { port } = repository.address() as AddressInfo;
  return `apiVersion: stowage/v1
name: tools
version: ${version}
cluster: { kubeVersion: 1.34.0 }
images:
  - { name: agent, source: '${registry.host}/kserve/agent:v0.15.2' }
  - { name: router, source: '${registry.host}/kserve/router:v0.15.2' }
parameters:
  replicas: { type: integer, default: 2, description: replicas of the controller }
charts:
  - name: leaders
    source: oci://${registry.host}/charts/lws@0.1.0
    values:
      replicaCount: "\${parameters.replicas}"
      image: { manager: { repository: ${registry.host}/lws/lws, tag: v0.7.0 } }
  - name: features
    source: http://127.0.0.1:${port}#node-feature-discovery@${nfdVersion()}
    values: { image: { repository: ${registry.host}/nfd/node-feature-discovery, tag: v0.17.3 } }
  - name: serving
    source: kserve
    valuesFiles: [kserve-values.yaml]
    values: { kserve: { controller: { rbacProxyImage: ${registry.host}/kube-rbac-proxy:1.0 } } }
objects:
  - name: gateway
    source: gateway
`;
}

describe('when a release consists of published charts', () => {
  it('is not locked before the images in texts, such as KServe has in its ConfigMap, are named', async () => {
    writeFileSync(inWork('bare.yaml'), manifest().replace(/^ {2}- \{ name: agent.*\n/m, ''));
    const { status, stderr } = await run('lock', 'bare.yaml');
    expect(status).toBe(1);
    expect(stderr).toContain('content-refused');
    expect(stderr).toContain(
      `ConfigMap inferenceservice-config has ${registry.host}/kserve/agent:v0.15.2 at data.agent`,
    );
    expect(stderr).not.toContain('kserve/router:v0.15.2 at');
  });

  it('is locked with its images, packed, and verified', async () => {
    const locked = await must('lock', 'tools.yaml');
    expect(locked.json).toMatchObject({ unchanged: false });
    const lock = JSON.parse(readFileSync(inWork('tools.lock.json'), 'utf8'));
    expect(lock).toMatchObject({
      schema: 'stowage/lock/v3',
      charts: [
        { chart: 'lws', version: '0.1.0', copied: { repository: `${registry.host}/charts/lws` } },
        { chart: 'node-feature-discovery', url: expect.stringMatching(/\.tgz$/) },
        { chart: 'kserve', inputs: [{ path: 'kserve-values.yaml' }] },
      ],
      objects: [{ name: 'gateway', renderedBy: expect.stringMatching(/^kubectl v1\./) }],
    });
    expect(lock.images.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(['lws', 'node-feature-discovery', 'kserve-controller']),
    );
    expect((await must('lock', 'tools.yaml')).json).toMatchObject({ unchanged: true });
    await must('pack', 'tools.yaml', '--no-installer', '--output', 'first');
    await must('pki', 'pki');
    const key = ['--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem'];
    const signed = await must('sign', 'first', ...key);
    expect(signed.stderr).toMatch(/has \d+ powers beyond its namespace/);
    expect(signed.stderr).toContain('cluster: CustomResourceDefinition leaderworkersets');
    await must('verify', 'first', '--trust', 'pki/root.pem');
    const bundle = readCanonical(bundleKind, readFileSync(inWork('first/bundle.json')));
    expect(bundle.schema).toBe('stowage/bundle/v3');
  });

  it('is packed to the same bytes from an empty store, rendered again', async () => {
    rmSync(inWork('store'), { recursive: true });
    await must('pack', 'tools.yaml', '--no-installer', '--output', 'second');
    const sums = (folder: string): Buffer => readFileSync(inWork(folder, 'SHA512SUMS'));
    expect(sums('second')).toEqual(sums('first'));
  });

  it('shows what its objects may do, to whoever inspects or reports it', async () => {
    const { json } = await must('inspect', 'first');
    const text = JSON.stringify(json);
    for (const power of [
      'cluster: CustomResourceDefinition leaderworkersets.leaderworkerset.x-k8s.io',
      'webhook: lws-validating-webhook-configuration judges leaderworkersets at CREATE,UPDATE, failurePolicy Fail',
      'hostPath /sys',
      'cluster: CustomResourceDefinition httproutes.gateway.networking.k8s.io',
    ])
      expect(text).toContain(power);
    await must('verify', 'first', '--trust', 'pki/root.pem', '--report', 'report.json');
    expect(JSON.parse(readFileSync(inWork('report.json'), 'utf8'))).toMatchObject({
      schema: 'stowage/report/v2',
      contents: { charts: [{ powers: expect.arrayContaining([expect.any(String)]) }, {}, {}] },
    });
  });

  it('names its charts and what rendered them in the SBOM and the provenance', () => {
    const sbom = readFileSync(inWork('first/attestations/sbom.cdx.json'), 'utf8');
    expect(sbom).toContain('"purl":"pkg:helm/lws@0.1.0"');
    const provenance = readFileSync(inWork('first/attestations/provenance.slsa.json'), 'utf8');
    expect(provenance).toContain(`"uri":"oci://${registry.host}/charts/lws@0.1.0"`);
    expect(provenance).toContain('"uri":"pkg:generic/helm@v');
    expect(provenance).toContain('"uri":"kserve-values.yaml"');
  });

  it('has no reference of an image but through placeholders', () => {
    const bundle = readCanonical(bundleKind, readFileSync(inWork('first/bundle.json')));
    for (const { objects } of bundle.charts ?? []) {
      const path = inWork('first/blobs/sha256', objects.digest.slice('sha256:'.length));
      const text = readFileSync(path, 'utf8');
      // KServe's explainer has its tag in another field of a text: nothing can tell that both are one reference.
      const left = text.split(registry.host).slice(1);
      expect(left.filter((each) => !each.startsWith('/kserve/art-explainer'))).toEqual([]);
      readCanonical(renderedObjectsKind, readFileSync(path));
      expect(text).toContain('${images.');
    }
  });

  it('is compared with another version object by object', async () => {
    writeFileSync(inWork('tools.yaml'), manifest('1.1.0').replace('"${parameters.replicas}"', '3'));
    await must('lock', 'tools.yaml');
    await must('pack', 'tools.yaml', '--no-installer', '--output', 'third');
    const { json } = await must('diff', 'first', 'third');
    expect(json.charts.changed).toMatchObject([
      {
        name: 'leaders',
        powers: { added: [], removed: [] },
        objects: {
          added: [],
          removed: [],
          changed: [
            {
              name: expect.stringMatching(/^Deployment\.apps .*\/leaders-lws-controller-manager$/),
              changes: [{ path: 'spec.replicas', to: 3 }],
            },
          ],
        },
      },
    ]);
    expect(json.objects.changed).toEqual([]);
  });

  it('is not packed when a file of values or a chart changed since the lock', async () => {
    const values = readFileSync(inWork('kserve-values.yaml'));
    writeFileSync(inWork('kserve-values.yaml'), Buffer.concat([values, Buffer.from('# more\n')]));
    writeFileSync(inWork('kserve/templates/more.yaml'), '# nothing\n');
    const { status, stderr } = await run('pack', 'tools.yaml', '--no-installer', '--output', 'x');
    expect(status).toBe(1);
    expect(stderr).toContain('lock-stale');
    expect(stderr).toContain('kserve-values.yaml of serving');
    expect(stderr).toContain('kserve of serving');
    writeFileSync(inWork('kserve-values.yaml'), values);
    rmSync(inWork('kserve/templates/more.yaml'));
  });
});

describe('when a chart cannot be had', () => {
  const only = (source: string): string =>
    `apiVersion: stowage/v1\nname: broken\nversion: 1.0.0\ncluster: { kubeVersion: 1.34.0 }\ncharts:\n  - { name: a, source: '${source}' }\n`;
  const port = (): number => (repository.address() as AddressInfo).port;

  it.each([
    [
      'a version that its registry does not have',
      (): string => `oci://${registry.host}/charts/lws@9.9.9`,
      'source-not-found',
      '9.9.9',
    ],
    [
      'a version that its repository does not list',
      (): string => `http://127.0.0.1:${port()}#node-feature-discovery@9.9.9`,
      'source-not-found',
      nfdVersion,
    ],
    [
      'a repository that is down',
      (): string => 'http://127.0.0.1:9#node-feature-discovery@1.0.0',
      'source-unreachable',
      '127.0.0.1:9',
    ],
    [
      'a registry that is down',
      (): string => 'oci://127.0.0.1:9/a/b@1.0.0',
      'source-unreachable',
      'b',
    ],
    ['a folder that is not there', (): string => 'absent', 'file-missing', 'absent'],
  ] as const)('says so, and writes no lock: %s', async (_, source, code, said) => {
    writeFileSync(inWork('broken.yaml'), only(source()));
    const { status, stderr } = await run('lock', 'broken.yaml');
    expect(status).toBe(1);
    expect(stderr).toContain(code);
    expect(stderr).toContain(typeof said === 'string' ? said : said());
    expect(readdirSync(work)).not.toContain('broken.lock.json');
  });

  it('is refused when its archive is not the one that its repository lists', async () => {
    const archive = inWork(`repository/node-feature-discovery-${nfdVersion()}.tgz`);
    const before = readFileSync(archive);
    writeFileSync(archive, Buffer.concat([before, Buffer.from('more')]));
    const source = `http://127.0.0.1:${port()}#node-feature-discovery@${nfdVersion()}`;
    writeFileSync(inWork('broken.yaml'), only(source));
    const { status, stderr } = await run('lock', 'broken.yaml');
    writeFileSync(archive, before);
    expect([status, stderr]).toEqual([1, expect.stringContaining('source-mismatch')]);
  });

  it('is not rendered by a Helm that is too old', async () => {
    mkdirSync(inWork('old'));
    writeFileSync(inWork('old/helm'), '#!/bin/sh\necho v3.9.4+gdbc6d8e\n', { mode: 0o755 });
    writeFileSync(inWork('broken.yaml'), only('kserve'));
    const old = { ...env, PATH: `${inWork('old')}:${env['PATH']}` };
    const { status, stderr } = await stowage({ cwd: work, env: old }, 'lock', 'broken.yaml');
    expect([status, stderr]).toEqual([1, expect.stringContaining('source-unsupported')]);
    expect(stderr).toContain('3.9.4');
  });
});

describe('when a site serves the charts', () => {
  let depot: Depot;
  beforeAll(async () => {
    const site = new SiteFolder(inWork('site'));
    for (const name of ['site', 'pulled']) mkdirSync(inWork(name), { recursive: true });
    const blobs = inWork('first/blobs/sha256');
    for (const name of readdirSync(blobs)) await site.store.put(readFileSync(join(blobs, name)));
    const bundle = readCanonical(bundleKind, readFileSync(inWork('first/bundle.json')));
    const entries = await entriesOf(site, bundle);
    const catalog: Catalog = {
      repositories: () => entries,
      models: () => [],
      releases: () => [{ id: 'a'.repeat(128), bundle }],
      blobPath: (digest) => site.store.path(digest),
      requireIntact: async () => {},
      linking: (_, linked) => linked(),
    };
    depot = await startDepot(catalog, { address: '127.0.0.1', port: 0 });
  });
  afterAll(() => depot?.close());

  it.each([
    ['lws', (): string => '0.1.0'],
    ['node-feature-discovery', nfdVersion],
    ['kserve', (): string => 'v0.15.2'],
  ])(
    'gives helm pull the chart %s, byte for byte, and helm template renders it',
    async (chart, version) => {
      const reference = `oci://${depot.host}/tools/charts/${chart}`;
      await helm(
        'pull',
        reference,
        '--version',
        version(),
        '--plain-http',
        '--destination',
        'pulled',
      );
      const [name = ''] = readdirSync(inWork('pulled')).filter((each) => each.startsWith(chart));
      const lock = JSON.parse(readFileSync(inWork('tools.lock.json'), 'utf8'));
      const locked = lock.charts.find((each: { chart: string }) => each.chart === chart);
      const digest = digestOf(readFileSync(inWork('pulled', name)));
      expect(digest).toBe(locked.archive.digest);
      const rendered = await helm(
        'template',
        'x',
        reference,
        '--version',
        version(),
        '--plain-http',
      );
      expect(rendered).toContain('kind: Deployment');
    },
  );

  it('lists the rendered objects as the referrer of their chart, and the chart on its page', async () => {
    const base = `http://${depot.host}`;
    const { headers } = await fetch(`${base}/v2/tools/charts/lws/manifests/0.1.0`);
    const digest = headers.get('docker-content-digest');
    const referrers = await fetch(`${base}/v2/tools/charts/lws/referrers/${digest}`);
    expect(await referrers.json()).toMatchObject({
      manifests: [{ artifactType: 'application/vnd.stowage.objects.v1+json' }],
    });
    expect(await (await fetch(base)).text()).toContain('helm pull');
  });
});
