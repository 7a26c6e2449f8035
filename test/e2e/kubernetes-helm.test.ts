import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import { downloadModule } from '../lab/go.ts';
import { clientPrograms } from '../lab/kubernetes/clients.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { capture, type Output, run } from '../lab/process.ts';
import { pushReadyImage } from '../lab/ready-image.ts';
import { startRegistry } from '../lab/registry.ts';
import { type ClusterSite, startClusterSite } from '../support/cluster-site.ts';
import { noCluster, skipWithoutLab, startLabCluster } from '../support/kubernetes-lab.ts';
import { connectedSide } from './connected.ts';

// A site that installs a carried chart by Helm itself. Helm runs in the network of a node, from which no way leads out.
const NAMESPACE = 'lws-system';
const CREDENTIALS = { username: 'nodes', password: 'of-the-lab' };
const work = mkdtempSync(join(tmpdir(), 'kubernetes-helm-'));
let cluster: Cluster;
let site: ClusterSite;
let program: string;

beforeAll(async () => {
  if (noCluster !== undefined) return;
  const programs = await clientPrograms();
  program = join(programs, 'helm');
  const { Dir } = await downloadModule('sigs.k8s.io/lws@v0.7.0');
  cpSync(join(Dir, 'charts/lws'), join(work, 'lws'), { recursive: true });
  await run('chmod', ['-R', 'u+w', join(work, 'lws')]);
  const upstream = await startRegistry(join(work, 'upstream'));
  let first: string;
  let side: Awaited<ReturnType<typeof connectedSide>>;
  try {
    await pushReadyImage(work, `${upstream.host}/lws/lws:v0.7.0`);
    const local = { cwd: work, env: { HOME: work, PATH: process.env['PATH'] } };
    await run(program, ['package', 'lws', '--destination', 'packages'], local);
    const reference = `oci://${upstream.host}/charts`;
    await run(program, ['push', 'packages/lws-0.1.0.tgz', reference, '--plain-http'], local);
    side = await connectedSide(work, { hub: { url: 'http://127.0.0.1:9' } }, [programs]);
    first = await side.release(manifest(upstream.host), 'tools', '--no-installer');
  } finally {
    await upstream.stop();
  }
  const lab = await startLabCluster({ nodes: 1 });
  if (lab === undefined) return;
  cluster = lab;
  const folder = join(work, 'plant');
  site = await startClusterSite({ folder, cluster, side, port: 5443, first });
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

const manifest = (host: string): string => `apiVersion: stowage/v1
name: tools
version: 1.0.0
cluster: { kubeVersion: 1.34.0, podSecurity: baseline }
charts:
  - name: leaders
    source: oci://${host}/charts/lws@0.1.0
    values: { image: { manager: { repository: ${host}/lws/lws, tag: v0.7.0 } } }
`;

/** Helm in the network of a node, whose only neighbour is this host. */
function helm(...args: readonly string[]): Promise<Output> {
  const [command = '', ...enter] = cluster.nodes[0]?.enter ?? [];
  const env = { HOME: join(work, 'home'), PATH: '/usr/bin:/bin' };
  mkdirSync(env.HOME, { recursive: true });
  return capture(command, [...enter, program, ...args], { env, cwd: work });
}

async function mustHelm(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await helm(...args);
  expect(status, `helm ${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout;
}

const trusting = (): string[] => ['--ca-file', cluster.ca.certificate];

async function login(host: string, { username, password } = CREDENTIALS): Promise<void> {
  const words = ['registry', 'login', host, '--username', username, '--password', password];
  await mustHelm(...words, ...trusting());
}

async function pull(reference: string, into: string): Promise<string> {
  mkdirSync(join(work, into));
  const version = ['--version', '0.1.0', '--destination', into];
  await mustHelm('pull', reference, ...version, ...trusting());
  const [name = ''] = readdirSync(join(work, into));
  return digestOf(readFileSync(join(work, into, name)));
}

const archive = (): string => digestOf(readFileSync(join(work, 'packages/lws-0.1.0.tgz')));

describe('when a site without a way out uses Helm itself', () => {
  it('is refused the chart without the token and without the authority of the depot', async () => {
    const reference = `oci://${site.registry}/tools/charts/lws`;
    const anonymous = await helm('pull', reference, '--version', '0.1.0', ...trusting());
    expect(anonymous.status).not.toBe(0);
    expect(anonymous.stderr).toMatch(/401|unauthorized|basic credential/i);
    const untrusting = await helm('pull', reference, '--version', '0.1.0');
    expect(untrusting.status).not.toBe(0);
    expect(untrusting.stderr).toContain('x509');
    const outside = await helm('pull', 'oci://registry.k8s.io/lws/charts/lws');
    expect(outside.status).not.toBe(0);
  });

  it('installs the chart from the depot, whose image the nodes pull, and removes it', async () => {
    const token = readFileSync(site.tokens, 'utf8').trim();
    const [username = '', password = ''] = token.split(':');
    await login(site.registry, { username, password });
    const account = ['--kubeconfig', cluster.kubeconfig, '--namespace', NAMESPACE];
    await cluster.kubectl('create', 'namespace', NAMESPACE);
    await cluster.kubectl(
      ...['create', 'secret', 'docker-registry', 'depot', '--namespace', NAMESPACE],
      ...[`--docker-server=${site.registry}`, `--docker-username=${username}`],
      `--docker-password=${password}`,
    );
    const values = {
      image: { manager: { repository: `${site.registry}/tools/lws`, tag: '1.0.0' } },
      imagePullSecrets: [{ name: 'depot' }],
      resources: { requests: { cpu: '10m', memory: '16Mi' } },
    };
    writeFileSync(join(work, 'values.json'), JSON.stringify(values));
    const reference = `oci://${site.registry}/tools/charts/lws`;
    const more = ['--version', '0.1.0', '--values', 'values.json', '--wait', '--timeout', '3m'];
    await mustHelm('install', 'leaders', reference, ...more, ...trusting(), ...account);
    const [installed] = JSON.parse(await mustHelm('list', '--output', 'json', ...account));
    expect(installed).toMatchObject({ name: 'leaders', status: 'deployed', chart: 'lws-0.1.0' });
    const pods = JSON.parse(
      await cluster.kubectl('get', 'pods', '--namespace', NAMESPACE, '--output=json'),
    );
    const [{ image, ready }] = pods.items[0].status.containerStatuses;
    expect([image, ready]).toEqual([expect.stringContaining(`${site.registry}/tools/lws`), true]);
    const log = readFileSync(site.accessLog, 'utf8');
    expect(log).toContain('/v2/tools/charts/lws/manifests/0.1.0');
    await mustHelm('uninstall', 'leaders', '--wait', ...account);
    await cluster.kubectl('delete', 'namespace', NAMESPACE);
  });

  it('pulls the chart byte for byte from a registry that push filled', async () => {
    const { certificate, key } = await cluster.serverCertificate('own');
    const registry = await cluster.registry({ tls: { certificate, key }, htpasswd: CREDENTIALS });
    const auth = Buffer.from(Object.values(CREDENTIALS).join(':')).toString('base64');
    const docker = join(work, 'docker');
    mkdirSync(docker);
    const auths = { [registry.host]: { auth } };
    writeFileSync(join(docker, 'config.json'), JSON.stringify({ auths }), { mode: 0o600 });
    const pushed = await site.runWith(
      { env: { DOCKER_CONFIG: docker } },
      ...['push', 'tools', registry.host, ...trusting()],
    );
    expect(pushed.status, pushed.stderr).toBe(0);
    await login(registry.host);
    expect(await pull(`oci://${registry.host}/tools/charts/lws`, 'pushed')).toBe(archive());
    expect(await pull(`oci://${site.registry}/tools/charts/lws`, 'served')).toBe(archive());
  });
});
