import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { capture, until } from '../lab/process.ts';
import { type AskingClient, askWithoutPause } from '../support/asking-client.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { type ClusterSite, clientAddress, startClusterSite } from '../support/cluster-site.ts';
import { clusterPage, commandsOfPage } from '../support/documents.ts';
import { skipWithoutLongLab, startLongLabCluster } from '../support/kubernetes-lab.ts';
import { lightReleases, serving } from '../support/light-release.ts';

// Two sites and several releases on one cluster, and a node that is lost while a release is upgraded.
const NODE_PORT = '  service: NodePort\n';
const work = mkdtempSync(join(tmpdir(), 'neighbours-'));
let cluster: Cluster;
let alpha: ClusterSite;
let beta: ClusterSite;

/** Passes on what the next service answers, whom it knows by name. */
const relay = (name: string, next: string, host: number): object => ({
  name,
  image: 'server',
  args: [
    `busybox mkdir /tmp/www; until busybox wget -q -O /tmp/www/answer.json http://${next}:8000/answer.json; do sleep 0.2; done; busybox httpd -f -p 8000 -h /tmp/www & trap "kill $!; exit 0" TERM; wait`,
  ],
  dependsOn: [next],
  ports: [{ name: 'http', container: 8000, host }],
  health: { server: 'http', port: 'http', path: '/answer.json', startupSeconds: 60 },
});

const last: object = {
  name: 'last',
  image: 'server',
  args: [serving()],
  mounts: [
    { files: 'settings', path: '/srv/answer.json' },
    { model: 'tiny', path: '/models/tiny' },
  ],
  ports: [{ name: 'http', container: 8000, host: 8001 }],
  health: { server: 'http', port: 'http', path: '/answer.json', startupSeconds: 60 },
};

beforeAll(async () => {
  const lab = await startLongLabCluster({ nodes: 2 });
  if (lab === undefined) return;
  cluster = lab;
  const releases = await lightReleases(join(work, 'releases'));
  const first = await releases.make({ version: '1.0.0', seq: 1 });
  const others = [
    await releases.make({ version: '2.0.0', seq: 2, service: { args: [serving(15)] } }),
    await releases.make({
      ...{ name: 'trio', version: '1.0.0', seq: 1 },
      services: [last, relay('middle', 'last', 8002), relay('front', 'middle', 8003)],
    }),
  ];
  const start = async (name: string, port: number): Promise<ClusterSite> => {
    const folder = join(work, name);
    return startClusterSite({ folder, cluster, side: releases, port, first, more: NODE_PORT });
  };
  alpha = await start('alpha', 5443);
  beta = await start('beta', 5444);
  for (const each of others) await alpha.must('import', each);
  await alpha.must('install', 'chat@1.0.0');
});

beforeEach((test) => {
  skipWithoutLongLab(test, cluster);
});

afterAll(async () => {
  await alpha?.stop();
  await beta?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

async function askIn(namespace: string, service: string, path: string): Promise<AskingClient> {
  return askWithoutPause({ ...(await clientAddress(cluster, namespace, service)), path });
}

/** Stops the client. @returns what it got, each only once */
async function gotBy(client: AskingClient): Promise<string[]> {
  await client.stop();
  return [...new Set(client.take())];
}

async function siteIn(namespace: string): Promise<string> {
  const path = '--output=jsonpath={.metadata.labels.stowage\\.dev/site}';
  return `stowage.dev/site=${await cluster.kubectl('get', 'namespace', namespace, path)}`;
}

async function uidsOf(selector: string): Promise<string> {
  const uids = '--output=jsonpath={range .items[*]}{.kind}{.metadata.name}{.metadata.uid} {end}';
  const kinds = 'deployments,services,networkpolicies,configmaps,secrets,pods';
  return cluster.kubectl('get', kinds, '--all-namespaces', '--selector', selector, uids);
}

describe('when a cluster has several releases and sites', () => {
  it('runs services that call one another, which no change of another release disturbs', async () => {
    await alpha.must('install', 'trio');
    const client = await askIn('stowage-trio', 'front', '/answer.json');
    await alpha.must('install', 'chat@2.0.0');
    await alpha.must('rollback');
    expect(await gotBy(client)).toEqual(['{"release":"trio-1.0.0"}']);
    const { services } = (await alpha.must('status')).json;
    expect(services.map((each: { drift: unknown[] }) => each.drift)).toEqual([[], [], [], []]);
  });

  it('refuses a second site whose namespaces have the same names', async () => {
    const before = await clusterObjects(cluster);
    const { json, status } = await beta.run('plan', 'chat@1.0.0');
    expect(status).toBe(4);
    const [rule] = json.plan.constraints.filter(
      (each: { rule: string }) => each.rule === 'namespace',
    );
    const owner = (await siteIn('stowage-chat')).replace('stowage.dev/site=', '');
    expect(rule).toMatchObject({
      satisfied: false,
      found: `it belongs to site ${owner}`,
    });
    expect((await beta.run('install', 'chat@1.0.0')).status).toBe(12);
    expect(await clusterObjects(cluster)).toBe(before);
  });

  it('leaves the other site alone when one is uninstalled', async () => {
    beta.configure({ more: `${NODE_PORT}  namespacePrefix: beta-\n` });
    await beta.must('install', 'chat@1.0.0');
    const [ours, theirs] = [await siteIn('stowage-chat'), await siteIn('beta-chat')];
    expect(ours).not.toBe(theirs);
    const before = await uidsOf(ours);
    const client = await askIn('stowage-chat', 'server', '/release.json');
    await beta.must('uninstall', 'chat');
    expect(await gotBy(client)).toEqual(['{"release":"chat-1.0.0"}']);
    expect(await uidsOf(ours)).toBe(before);
    expect(await clusterObjects(cluster, theirs)).toBe('');
    expect((await alpha.run('status', '--check')).status).toBe(0);
  });

  it('answers from the old generation when a node is lost in the middle of an upgrade', async () => {
    const [lost, other] = cluster.nodes;
    if (lost === undefined || other === undefined) throw new Error('two nodes are needed');
    const nodeOf = async (name: string): Promise<string> =>
      cluster.kubectl(
        ...['get', 'pods', '-n', 'stowage-chat', '-l', `stowage.dev/specification=${name}`],
        '--output=jsonpath={.items[0].spec.nodeName}',
      );
    const deployments = async (): Promise<string[]> => {
      const path = '--output=jsonpath={.items[*].metadata.name}';
      return (await cluster.kubectl('get', 'deployments', '-n', 'stowage-chat', path)).split(' ');
    };
    const [old = ''] = await deployments();
    // The old pod is on the node that stays, the new one on the other.
    const oldNode = await nodeOf(old);
    const going = oldNode === lost.name ? other : lost;
    const { port } = await clientAddress(cluster, 'stowage-chat');
    const { address: host } = going === lost ? other : lost;
    const client = askWithoutPause({ host, port, path: '/release.json' });
    await cluster.kubectl('cordon', oldNode);
    const change = alpha.run('install', 'chat@2.0.0');
    await until('the new pod', 60, async () => {
      const [name] = (await deployments()).filter((each) => each !== old);
      if (name === undefined) return undefined;
      return (await nodeOf(name).catch(() => '')) === going.name || undefined;
    });
    await sleep(2000);
    going.pauseKubelet();
    await cluster.kubectl('uncordon', oldNode);
    const { status, json, stderr } = await change;
    going.resumeKubelet();
    // Its pod moved to the other node in time, or the upgrade was undone: nothing between.
    expect([0, 3], stderr).toContain(status);
    if (status === 3) expect(json.error.code).toBe('rolled-back');
    const got = await gotBy(client);
    expect(got.filter((each) => each.startsWith('failed'))).toEqual([]);
    expect(got).toContain('{"release":"chat-1.0.0"}');
    expect(await deployments()).toHaveLength(1);
    await alpha.must('install', 'chat@1.0.0');
    await until('the node', 60, async () => {
      const found = await cluster.kubectl('get', 'nodes', '--no-headers');
      return found.match(/ Ready /g)?.length === 2 || undefined;
    });
  });

  it('is listed and removed by the commands of the page', async () => {
    const page = readFileSync(new URL(`../../${clusterPage}`, import.meta.url), 'utf8');
    const folder = join(work, 'alpha');
    const { host, ca, programs, kubeconfig } = cluster;
    const { certificate, key } = await cluster.serverCertificate('page');
    const settings = {
      '10.0.0.5:5443': `${host}:5999`,
      '/etc/stowage/nodes.token': join(folder, 'tokens'),
      '/etc/stowage/depot.crt': certificate,
      '/etc/stowage/depot.key': key,
      '/etc/stowage/ca.crt': ca.certificate,
    };
    const env = {
      ...process.env,
      KUBECONFIG: kubeconfig,
      STOWAGE_SITE: alpha.folder,
      PATH: `${fileURLToPath(new URL('../../scripts', import.meta.url))}:${programs}:${process.env['PATH']}`,
    };
    const printed: string[] = [];
    for (const { commands, line } of commandsOfPage(page).filter(
      (each) => each.notRun === undefined,
    ))
      for (const command of commands) {
        let typed = command;
        for (const [from, to] of Object.entries(settings)) typed = typed.replaceAll(from, to);
        // The depot serves until it is stopped.
        const serves = typed.includes('depot --listen');
        const args = serves ? ['-k', '1', '4', 'bash', '-c', typed] : ['100', 'bash', '-c', typed];
        const { status, stdout, stderr } = await capture('timeout', args, { env });
        expect(serves ? [0, 124, 130] : [0], `line ${line}: ${stderr}`).toContain(status);
        if (serves) expect(stderr + stdout).toContain(`${host}:5999`);
        printed.push(stdout);
      }
    expect(printed.join('')).toContain('registries.yaml');
    expect(printed.join('')).toMatch(/namespace\/stowage-trio/);
    expect(printed.join('')).toMatch(/deployment.apps\/front-/);
    expect(await clusterObjects(cluster)).toBe('');
  });
});
