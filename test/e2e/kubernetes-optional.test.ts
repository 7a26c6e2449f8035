import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { until } from '../lab/process.ts';
import { type ClusterSite, clientAddress, startClusterSite } from '../support/cluster-site.ts';
import { skipWithoutLab, startLabCluster } from '../support/kubernetes-lab.ts';
import { connectedSide } from './connected.ts';
import {
  answerOf,
  optionalManifest,
  type SizeName,
  sizes,
  writeOptionalContent,
} from './optional-release.ts';

// One signed release with a small and a large model, and a site on a cluster that first has the small one alone.

const NAMESPACE = 'stowage-chat';
const LARGE = ['model/large', 'service/large'];
const work = mkdtempSync(join(tmpdir(), 'kubernetes-optional-'));
let cluster: Cluster;
let site: ClusterSite;
let bundle: string;

const chosen = (parts: string): string =>
  `  clients: [default]\n  service: NodePort\nwith: { chat: ${parts} }\n`;

beforeAll(async () => {
  const lab = await startLabCluster({ nodes: 1 });
  if (lab === undefined) return;
  cluster = lab;
  await writeOptionalContent(work);
  const side = await connectedSide(work, { hub: { url: 'http://127.0.0.1:9' } });
  bundle = await side.release(optionalManifest('1.0.0'), 'one', '--no-installer');
  const folder = join(work, 'plant');
  const more = chosen('[small]');
  site = await startClusterSite({ folder, cluster, side, port: 5443, first: bundle, more });
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

/** The names of the services, without what tells those of a generation apart. */
async function services(): Promise<string[]> {
  const path = '--output=jsonpath={.items[*].metadata.name}';
  const names = await cluster.kubectl('get', 'services', '--namespace', NAMESPACE, path);
  const own = names.split(' ').map((each) => each.replace(/-[0-9a-f]{8}$/, ''));
  return [...new Set(own)].filter((each) => each !== '').toSorted();
}

async function deployments(): Promise<number> {
  const found = await cluster.kubectl('get', 'deployments', '-n', NAMESPACE, '--output=name');
  return found.split('\n').filter((each) => each !== '').length;
}

async function serves(name: SizeName): Promise<void> {
  const { host, port } = await clientAddress(cluster, NAMESPACE, name);
  await until(`the service ${name}`, 60, async () => {
    const response = await fetch(`http://${host}:${port}/`).catch(() => undefined);
    return (await response?.text())?.trim() === answerOf(work, name) || undefined;
  });
}

/** Whether the site stores the weights of a size. */
function stores(name: SizeName): boolean {
  const lock = JSON.parse(readFileSync(join(bundle, 'bundle.json'), 'utf8')) as {
    models: { name: string; files: { digest: string }[] }[];
  };
  const [file] = lock.models.find((each) => each.name === name)?.files ?? [];
  const hex = file?.digest.replace('sha256:', '') ?? 'none';
  return existsSync(join(site.folder, 'store/blobs/sha256', hex));
}

describe('when a site on a cluster does without optional parts', () => {
  it('stores and runs what it chose, and names the rest', async () => {
    expect([stores('small'), stores('large')]).toEqual([true, false]);
    const plan = await site.must('plan', 'chat');
    const note = plan.json.plan.constraints.find(
      (each: { rule: string }) => each.rule === 'left-out',
    );
    expect(note.found).toBe(LARGE.join(', '));
    await site.must('install', 'chat');
    await serves('small');
    expect(await services()).toEqual(['small']);
    expect(await deployments()).toBe(1);
    const { json } = await site.must('status');
    expect(json.leftOut).toMatchObject([{ release: 'chat', parts: LARGE }]);
  });

  it('refuses to run what it chose and does not store, and takes it from the same bundle', async () => {
    site.configure({ more: chosen('all') });
    const refused = await site.run('install', 'chat');
    expect(refused.stderr).toContain('model/large, service/large');
    expect(refused.stderr).toContain('host-unfit');
    const before = readdirSync(join(site.folder, 'store/blobs/sha256')).length;
    await site.must('import', bundle);
    expect(readdirSync(join(site.folder, 'store/blobs/sha256')).length).toBeGreaterThan(before);
    expect(stores('large')).toBe(true);
    await site.must('install', 'chat');
    await serves('large');
    await serves('small');
    expect(await services()).toEqual(['large', 'small']);
    expect((await site.must('status')).json.leftOut).toEqual([]);
    expect(Number(answerOf(work, 'large'))).toBeGreaterThan(sizes.large);
  });

  it('goes back to the small size alone', async () => {
    await site.must('rollback');
    await serves('small');
    await until('the end of the large one', 60, async () =>
      (await services()).includes('large') ? undefined : true,
    );
    expect((await site.must('status')).json.leftOut).toMatchObject([{ parts: LARGE }]);
    await site.must('uninstall', 'chat');
    expect(await cluster.tryKubectl('get', 'namespace', NAMESPACE)).not.toMatchObject({
      status: 0,
    });
  });
});
