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
import { skipWithoutLab, startLabCluster } from '../support/kubernetes-lab.ts';
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
    const checked = doctor();
    const address = await until('the policy of the probe', 120, async () => {
      if (!(await ours()).includes('networkpolicy')) return undefined;
      const selected = ['--selector', 'stowage.dev/probe=server', '--all-namespaces'];
      const path = '--output=jsonpath={.items[0].status.podIP}';
      return (await cluster.kubectl('get', 'pods', ...selected, path)) || undefined;
    });
    // The lab has no network plugin that enforces policies: its nodes drop what such a plugin would.
    const chain = '{ type filter hook forward priority 0; }';
    for (const { enter } of cluster.nodes) {
      const [program = '', ...args] = [...enter, 'nft'];
      await run(program, [...args, 'add', 'table', 'ip', 'denied']);
      await run(program, [...args, 'add', 'chain', 'ip', 'denied', 'probe', chain]);
      const rule = ['add', 'rule', 'ip', 'denied', 'probe', 'ip', 'daddr', address, 'drop'];
      await run(program, [...args, ...rule]);
    }
    expect(await checked).toMatchObject({
      NetworkPolicy: { verdict: 'right', found: expect.stringMatching(/^enforced/) },
    });
    await expectNothingLeft();
    const proof = JSON.parse(readFileSync(join(site.folder, 'cluster-proof.json'), 'utf8'));
    const uid = '--output=jsonpath={.metadata.uid}';
    expect(proof).toMatchObject({
      cluster: await cluster.kubectl('get', 'namespace', 'kube-system', uid),
      networkPolicy: { enforced: true },
    });
  });

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
