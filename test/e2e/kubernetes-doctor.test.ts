import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { run, until } from '../lab/process.ts';
import { startUpstream } from '../lab/upstream.ts';
import { untilProbesGone } from '../support/cluster-objects.ts';
import { type ClusterSite, startClusterSite } from '../support/cluster-site.ts';
import { skipUnlessLong, skipWithoutLab, startLabCluster } from '../support/kubernetes-lab.ts';
import { connectedSide, demoManifest } from './connected.ts';

interface Seen {
  readonly check: string;
  readonly verdict: string;
  readonly found: string;
}

const project = fileURLToPath(new URL('../..', import.meta.url));
const main = join(project, 'dist/main.js');
const OURS = ['--selector', 'app.kubernetes.io/managed-by=stowage', '--output=name'];
const work = mkdtempSync(join(tmpdir(), 'doctor-'));
let cluster: Cluster;
let site: ClusterSite;

beforeAll(async () => {
  const lab = await startLabCluster({ nodes: 2 });
  if (lab === undefined) return;
  cluster = lab;
  const upstream = await startUpstream(join(work, 'upstream'), { ownServer: true });
  try {
    const side = await connectedSide(work, upstream);
    // Probes run in the image of a service, and need a program that asks: llama-server's image has none.
    const manifest = demoManifest(upstream, 8080).replace('llama-server:1.0', 'tiny-llm:1.0');
    const first = await side.release(manifest, 'one', '--no-installer');
    const folder = join(work, 'plant');
    site = await startClusterSite({ folder, cluster, side, port: 5443, first });
  } finally {
    await upstream.stop();
  }
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

/** The findings of doctor about the cluster, by their check. */
async function doctor(): Promise<Record<string, Seen>> {
  const { json } = await site.run('doctor');
  const own = json.findings.filter((each: { area: string }) => each.area === 'cluster');
  return Object.fromEntries(own.map((each: Seen) => [each.check, each]));
}

/** Everything of ours that probes make. */
async function ours(): Promise<string> {
  const kinds = 'namespaces,pods,secrets,networkpolicies';
  return cluster.kubectl('get', kinds, '--all-namespaces', ...OURS);
}

/** Of each probe, only the empty namespace outlives the command, for some seconds. */
async function expectNothingLeft(): Promise<void> {
  const left = (await ours()).split('\n').filter((each) => !each.startsWith('namespace/'));
  expect(left).toEqual(['']);
  await untilProbesGone(cluster);
}

/**
 * The findings of doctor on nodes that enforce the policies of its probe in these directions: the lab has no network plugin, so nodes drop
 * what such a plugin would, new connections only.
 */
async function doctorWhere(...directions: ('ingress' | 'egress')[]): Promise<Record<string, Seen>> {
  const onNodes = (...words: readonly string[]): Promise<unknown> =>
    Promise.all(
      cluster.nodes.map(({ enter: [program = '', ...args] }) =>
        run(program, [...args, 'nft', ...words]),
      ),
    );
  const ofProbe = (kind: string, part: string, output: string): Promise<string> =>
    until(`the ${kind} ${part} of the probe`, 300, async () => {
      const selected = ['--selector', `stowage.dev/probe=${part}`, '--all-namespaces'];
      return (await cluster.kubectl('get', kind, ...selected, `--output=${output}`)) || undefined;
    });
  const table = ['ip', 'denied'] as const;
  await onNodes('add', 'table', ...table);
  await onNodes('add', 'chain', ...table, 'probe', '{ type filter hook forward priority 0; }');
  const checked = doctor();
  try {
    for (const direction of directions) {
      await ofProbe('networkpolicies', `deny-${direction}`, 'name');
      const [part, field] = direction === 'egress' ? ['egress', 'saddr'] : ['server', 'daddr'];
      const address = await ofProbe('pods', part, 'jsonpath={.items[*].status.podIP}');
      const rule = ['ip', field, address, 'ct', 'state', 'new', 'drop'];
      await onNodes('add', 'rule', ...table, 'probe', ...rule);
    }
  } finally {
    await checked;
    await onNodes('delete', 'table', ...table);
  }
  return checked;
}

describe('when doctor checks a cluster', () => {
  it('tries pulls, image volumes and policies in pods, and leaves none of them', async () => {
    const seen = await doctor();
    expect(seen).toMatchObject({
      Kubernetes: { verdict: 'right', found: expect.stringMatching(/^v1\./) },
      rights: { verdict: 'right' },
      'optional rights': { verdict: 'right' },
      nodes: { verdict: 'right', found: expect.stringContaining('2 nodes') },
      'clocks of nodes': { verdict: 'right' },
      'clock of the API server': { verdict: 'right' },
      'image pull': { verdict: 'right', found: expect.stringContaining(site.registry) },
      'certificate of the registry': { verdict: 'right', found: 'trusted by n1, n2' },
      'image volumes': { verdict: 'right', found: expect.stringContaining('mounted and read') },
      // Nothing in the lab enforces policies.
      NetworkPolicy: { verdict: 'doubt', found: expect.stringMatching(/^not enforced/) },
    });
    await expectNothingLeft();
  });

  it('shows that a policy is enforced, after it removed what a killed run left', async () => {
    const killed = spawn(join(project, 'node_modules/.bin/node'), [main, 'doctor'], {
      env: { ...process.env, STOWAGE_SITE: site.folder },
      stdio: 'ignore',
    });
    await until('a probe pod', 60, async () => (await ours()).includes('pod/') || undefined);
    killed.kill('SIGKILL');
    expect(await ours()).toContain('pod/');
    const seen = await doctorWhere('egress', 'ingress');
    expect(seen).toMatchObject({
      NetworkPolicy: { verdict: 'right', found: expect.stringMatching(/^enforced in both/) },
    });
    await expectNothingLeft();
    const proof = JSON.parse(readFileSync(join(site.folder, 'cluster-proof.json'), 'utf8'));
    const uid = '--output=jsonpath={.metadata.uid}';
    expect(proof).toMatchObject({
      cluster: await cluster.kubectl('get', 'namespace', 'kube-system', uid),
      networkPolicy: { ingress: true, egress: true },
    });
  });

  it.for([
    ['ingress', 'incoming', 'the services can connect to any place'],
    ['egress', 'outgoing', 'every pod of the cluster can reach the services'],
  ] as const)(
    'shows that only policies of %s are enforced',
    async ([direction, word, open], test) => {
      skipUnlessLong(test);
      expect((await doctorWhere(direction))['NetworkPolicy']).toMatchObject({
        verdict: 'doubt',
        found: expect.stringMatching(new RegExp(`^enforced for ${word} connections only: `)),
        hint: expect.stringContaining(open),
      });
      await expectNothingLeft();
    },
  );

  it('names the nodes that do not trust the registry, and what it could not try', async () => {
    cluster.registries.clear();
    const untrusted = 'the node does not trust the certificate of the registry';
    expect(await doctor()).toMatchObject({
      'image pull': { verdict: 'wrong', found: expect.stringContaining(untrusted) },
      'certificate of the registry': {
        verdict: 'wrong',
        found: `n1: ${untrusted}, n2: ${untrusted}`,
      },
      'image volumes': { verdict: 'doubt', found: expect.stringMatching(/^not proven/) },
      NetworkPolicy: { verdict: 'doubt', found: expect.stringMatching(/^not proven/) },
    });
    expect((await site.run('doctor')).status).toBe(12);
    await expectNothingLeft();
  });

  it('knows less with an account of the printed Role only, and names the rights that are missing', async () => {
    const kubeconfig = await cluster.account('operator', '/CN=operator');
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'models' } };
    await cluster.apply(namespace);
    site.configure({ kubeconfig, more: '  namespace: models\n' });
    const before = await doctor();
    expect(before['rights']).toMatchObject({
      verdict: 'wrong',
      found: expect.stringContaining('operator may not get configmaps in models'),
    });
    expect(before['image pull']?.found).toMatch(/^not proven: .*forbidden/);
    const [role, binding] = (await site.must('doctor', '--role')).json.objects;
    await cluster.apply(role, binding);
    expect(await doctor()).toMatchObject({
      rights: { verdict: 'right' },
      'optional rights': {
        verdict: 'doubt',
        found: expect.stringMatching(/^operator may not list nodes, list pods, /),
      },
      nodes: { verdict: 'doubt', found: 'not proven: the account may not read nodes' },
      // The nodes still do not trust the registry.
      'image pull': { verdict: 'wrong' },
    });
    await expectNothingLeft();
  });
});
