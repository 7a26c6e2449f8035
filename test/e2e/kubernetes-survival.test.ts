import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { until } from '../lab/process.ts';
import { type AskingClient, askWithoutPause } from '../support/asking-client.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { type ClusterSite, clientAddress, startClusterSite } from '../support/cluster-site.ts';
import { EVERY } from '../support/every-kill.ts';
import { skipWithoutLab, startLabCluster } from '../support/kubernetes-lab.ts';
import { FILL_PROGRAMS, lightReleases } from '../support/light-release.ts';
import type { Ran } from './cli.ts';

// The program is killed with SIGKILL before and after lines of the apply journal, on a cluster. After the next command, the site
// must be entirely in the old or entirely in the new generation, and a client that asks without pause must never have noticed.
// Each kill takes some ten seconds: three for each change are tried here. `npm run test:every-kill` tries every one, and then
// within steps that fill and clear a volume and start two pods.
const KILLER = new URL('kill-at-journal.ts', import.meta.url).href;
const TIMEOUT_MS = 3_600_000;
const changes = ['install', 'upgrade', 'rollback', 'uninstall'] as const;
type Change = (typeof changes)[number];
/** What is installed and killed. */
interface Variant {
  readonly name: string;
  readonly release: string;
  readonly namespace: string;
  /** Its Service: in a namespace of the owner, names have the release. */
  readonly service: string;
  /** More lines of the section `kubernetes`. */
  readonly more: string;
  /** The actions of steps that it is killed in; absent for before and after every line. */
  readonly only?: RegExp;
}

const light: Variant = {
  ...{ name: 'one pod', release: 'chat', namespace: 'stowage-chat', service: 'server' },
  more: '  service: NodePort\n',
};
const filled: Variant = {
  ...{ name: 'two pods and a volume', release: 'pair' },
  ...{ namespace: 'volumes', service: 'pair-server' },
  more: `${light.more}  namespace: volumes\n  weights: volume\n  claim: models\n  fill: {}\n`,
  only: /-volume$|^start-deployment$/,
};
const DURING = 'while its Job runs';

const work = mkdtempSync(join(tmpdir(), 'cluster-survival-'));
let cluster: Cluster;
let site: ClusterSite;

beforeAll(async () => {
  const lab = await startLabCluster({ nodes: 2 });
  if (lab === undefined) return;
  cluster = lab;
  const releases = await lightReleases(join(work, 'releases'), FILL_PROGRAMS);
  const first = await releases.make({ version: '1.0.0', seq: 1 });
  const folder = join(work, 'plant');
  const { more } = light;
  site = await startClusterSite({ folder, cluster, side: releases, port: 5443, first, more });
  await site.must('import', await releases.make({ version: '2.0.0', seq: 2 }));
  if (!EVERY) return;
  const service = { replicas: 2, disruption: 1 };
  const { release: name } = filled;
  await site.must('import', await releases.make({ name, version: '1.0.0', seq: 1, service }));
  await site.must('import', await releases.make({ name, version: '2.0.0', seq: 2, service }));
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

async function argumentsOf(change: Change, { release }: Variant): Promise<string[]> {
  if (change === 'install') return ['install', `${release}@1.0.0`];
  if (change === 'upgrade') return ['install', `${release}@2.0.0`];
  if (change === 'uninstall') return ['uninstall', release];
  return ['rollback', '--to', String(await generationOf(release, '1.0.0'))];
}

/** The actions of the steps of a change, in their order. */
async function actionsOf(args: readonly string[]): Promise<string[]> {
  const [command = '', ...rest] = args;
  const { json } = await site.must(
    'plan',
    ...rest,
    ...(command === 'install' ? [] : [`--${command}`]),
  );
  return json.plan.steps.map((each: { do: { action: string } }) => each.do.action);
}

/** The last generation with a version of a release. */
async function generationOf(release: string, version: string): Promise<number> {
  const { generations } = (await site.must('history')).json;
  return generations.findLast(
    ({ releases: [only] }: { releases: { name: string; version: string }[] }) =>
      only?.name === release && only.version === version,
  ).number;
}

/** Brings the site to where a change starts. */
async function prepare(change: Change, { release }: Variant): Promise<void> {
  const { generation } = (await site.must('status')).json;
  const running = generation.releases[0]?.version;
  if (change === 'install') {
    if (running !== undefined) await site.must('uninstall', release);
    return;
  }
  if (change === 'rollback' && running === undefined)
    await site.must('install', `${release}@1.0.0`);
  await site.must('install', `${release}@${change === 'rollback' ? '2.0.0' : '1.0.0'}`);
}

async function standing(): Promise<string> {
  const { generation } = (await site.must('status')).json;
  const releases: string[] = generation.releases.map(
    ({ name, version }: { name: string; version: string }) => `${name}-${version}`,
  );
  const jobs = await cluster.kubectl('get', 'jobs', '--all-namespaces', '--output=name');
  const folders = foldersOfVolume(releases).join();
  return [releases.join(), await clusterObjects(cluster), jobs, folders].join('\n');
}

/** The claim of the variant with a volume, as the owner of a cluster makes one that every node sees. */
async function makeVolume(): Promise<void> {
  const path = join(work, 'volume');
  mkdirSync(path);
  chmodSync(path, 0o777);
  const [accessModes, storageClassName] = [['ReadWriteMany'], ''];
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await cluster.apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: filled.namespace, labels } },
    {
      ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'models' } },
      spec: {
        ...{ accessModes, storageClassName, hostPath: { path } },
        ...{ capacity: { storage: '1Gi' }, persistentVolumeReclaimPolicy: 'Retain' },
      },
    },
    {
      ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim' },
      metadata: { name: 'models', namespace: filled.namespace },
      spec: {
        ...{ accessModes, storageClassName, volumeName: 'models' },
        resources: { requests: { storage: '1Gi' } },
      },
    },
  );
}

/** What is on the volume of these releases, or of all: with an upgrade, the content of the version before it stays. */
function foldersOfVolume(releases: readonly string[]): string[] {
  const folder = join(work, 'volume');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((each) => releases.length === 0 || releases.includes(each));
}

async function client({ namespace, service }: Variant): Promise<AskingClient> {
  const at = await clientAddress(cluster, namespace, service);
  return askWithoutPause({ ...at, path: '/release.json' });
}

/** What kills a change at each place of its journal that differs from the one before. */
function pointsOf(
  states: readonly string[],
  actions: readonly string[],
  { only }: Variant,
): string[] {
  const points = states.flatMap((state, index) => {
    const action = actions[Math.floor(index / 2)] ?? '';
    if (only !== undefined && !only.test(action)) return [];
    if (only !== undefined && state === 'done') return [`${index + 1} before`];
    if (only !== undefined && action.endsWith('-volume')) return [`${index + 1} after`, DURING];
    return ['done', 'undone'].includes(state)
      ? [`${index + 1} before`, `${index + 1} after`]
      : [`${index + 1} after`];
  });
  if (EVERY) return points;
  const middle = Math.floor(points.length / 2);
  return [points[1], points[middle], points.at(-2)].filter((each) => each !== undefined);
}

async function killAt(point: string, args: readonly string[]): Promise<Ran> {
  if (point !== DURING) {
    const kill = { env: { STOWAGE_TEST_KILL: point }, node: ['--import', KILLER] };
    return site.runWith(kill, ...args);
  }
  const kill = new AbortController();
  const killed = site.runWith({ kill: kill.signal }, ...args);
  await until('a Job', 60, async () => {
    const names = await cluster.kubectl('get', 'jobs', '--all-namespaces', '--output=name');
    return names !== '' || undefined;
  });
  kill.abort();
  return killed;
}

async function tryEvery(change: Change, variant: Variant): Promise<void> {
  await prepare(change, variant);
  const before = await standing();
  const args = await argumentsOf(change, variant);
  const actions = await actionsOf(args);
  const list = join(work, 'lines.json');
  const env = { STOWAGE_TEST_KILL: `list ${list}` };
  const whole = await site.runWith({ env, node: ['--import', KILLER] }, ...args);
  expect(whole.status, whole.stderr).toBe(0);
  const after = await standing();
  expect(after).not.toBe(before);
  const states = JSON.parse(readFileSync(list, 'utf8')) as string[];
  expect(states).toHaveLength(2 * actions.length);
  const ends: string[] = [];
  let now = after;
  for (const point of pointsOf(states, actions, variant)) {
    if (now !== before) await prepare(change, variant);
    expect(await standing(), `before ${point}`).toBe(before);
    const asking = ['upgrade', 'rollback'].includes(change) ? await client(variant) : undefined;
    const killed = await killAt(point, await argumentsOf(change, variant));
    expect(killed.status, `${point}: ${killed.stderr}`).toBe(-1);
    await site.must('receipt', 'write');
    expect(readdirSync(site.folder)).not.toContain('apply');
    now = await standing();
    expect([before, after], `killed at ${point}`).toContain(now);
    const { services } = (await site.must('status')).json;
    for (const each of services)
      expect(each, point).toMatchObject({
        ...{ state: { state: 'running' }, drift: [] },
        readiness: { ready: true },
      });
    await asking?.stop();
    const got = asking?.take() ?? [];
    expect(got.filter((each) => each.startsWith('failed'))).toEqual([]);
    ends.push(now === after ? 'new' : 'old');
  }
  expect(ends).toContain('old');
  process.stderr.write(
    `${change}, ${variant.name}: ${states.length} lines, killed at ${ends.length} points, ${ends.filter((each) => each === 'new').length} kept\n`,
  );
}

/** Brings a site without releases to a variant. */
async function begin({ more }: Variant): Promise<void> {
  if (cluster === undefined) return;
  const { generation } = (await site.must('status')).json;
  for (const { name } of generation.releases) await site.must('uninstall', name);
  if (more === filled.more) await makeVolume();
  site.configure({ more });
}

describe.each(EVERY ? [light, filled] : [light])(
  'when a change is killed at a line of its journal, with $name',
  (variant) => {
    beforeAll(() => begin(variant));

    it.each(changes)(
      'is in the old or the new state after the next command: %s',
      { timeout: TIMEOUT_MS },
      (change) => tryEvery(change, variant),
    );
  },
);
