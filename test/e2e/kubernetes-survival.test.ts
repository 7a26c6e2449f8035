import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { type AskingClient, askWithoutPause } from '../support/asking-client.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import { type ClusterSite, clientAddress, startClusterSite } from '../support/cluster-site.ts';
import { skipWithoutLab, startLabCluster } from '../support/kubernetes-lab.ts';
import { lightReleases } from '../support/light-release.ts';

// The program is killed with SIGKILL before and after lines of the apply journal, on a cluster. After the next command, the site
// must be entirely in the old or entirely in the new generation, and a client that asks without pause must never have noticed.
// Each kill takes some ten seconds: three for each change are tried here, and every one by `npm run test:every-kill`.
const EVERY = process.env['STOWAGE_TEST_EVERY_KILL'] === '1';
const KILLER = new URL('kill-at-journal.ts', import.meta.url).href;
const TIMEOUT_MS = 3_600_000;
const changes = ['install', 'upgrade', 'rollback', 'uninstall'] as const;
type Change = (typeof changes)[number];
const [one, two] = ['chat@1.0.0', 'chat@2.0.0'] as const;

const work = mkdtempSync(join(tmpdir(), 'cluster-survival-'));
let cluster: Cluster;
let site: ClusterSite;

beforeAll(async () => {
  const lab = await startLabCluster({ nodes: 2 });
  if (lab === undefined) return;
  cluster = lab;
  const releases = await lightReleases(join(work, 'releases'));
  const first = await releases.make({ version: '1.0.0', seq: 1 });
  const folder = join(work, 'plant');
  const more = '  service: NodePort\n';
  site = await startClusterSite({ folder, cluster, side: releases, port: 5443, first, more });
  await site.must('import', await releases.make({ version: '2.0.0', seq: 2 }));
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

async function argumentsOf(change: Change): Promise<string[]> {
  if (change === 'install') return ['install', one];
  if (change === 'upgrade') return ['install', two];
  if (change === 'uninstall') return ['uninstall', 'chat'];
  return ['rollback', '--to', String(await generationOf('1.0.0'))];
}

/** The last generation with a version. */
async function generationOf(version: string): Promise<number> {
  const { generations } = (await site.must('history')).json;
  return generations.findLast(
    ({ releases }: { releases: { version: string }[] }) => releases[0]?.version === version,
  ).number;
}

/** Brings the site to where a change starts. */
async function prepare(change: Change): Promise<void> {
  const { generation } = (await site.must('status')).json;
  const running = generation.releases[0]?.version;
  if (change === 'install') {
    if (running !== undefined) await site.must('uninstall', 'chat');
    return;
  }
  const wanted = change === 'rollback' ? two : one;
  if (change === 'rollback' && running === undefined) await site.must('install', one);
  await site.must('install', wanted);
}

async function standing(): Promise<string> {
  const { generation } = (await site.must('status')).json;
  const releases = generation.releases.map((each: { version: string }) => each.version);
  return `${releases.join()}\n${await clusterObjects(cluster)}`;
}

async function client(): Promise<AskingClient> {
  const at = await clientAddress(cluster, 'stowage-chat');
  return askWithoutPause({ ...at, path: '/release.json' });
}

/** What kills a change at each place of its journal that differs from the one before. */
function pointsOf(states: readonly string[]): string[] {
  const points = states.flatMap((state, index) =>
    ['done', 'undone'].includes(state)
      ? [`${index + 1} before`, `${index + 1} after`]
      : [`${index + 1} after`],
  );
  if (EVERY) return points;
  const middle = Math.floor(points.length / 2);
  return [points[1], points[middle], points.at(-2)].filter((each) => each !== undefined);
}

describe.each(changes)('when %s is killed at a line of its journal', (change) => {
  it('is in the old or the new state after the next command', { timeout: TIMEOUT_MS }, async () => {
    await prepare(change);
    const before = await standing();
    const args = await argumentsOf(change);
    const list = join(work, 'lines.json');
    const env = { STOWAGE_TEST_KILL: `list ${list}` };
    const whole = await site.runWith({ env, node: ['--import', KILLER] }, ...args);
    expect(whole.status, whole.stderr).toBe(0);
    const after = await standing();
    expect(after).not.toBe(before);
    const states = JSON.parse(readFileSync(list, 'utf8')) as string[];
    const ends: string[] = [];
    let now = after;
    for (const point of pointsOf(states)) {
      if (now !== before) await prepare(change);
      expect(await standing(), `before ${point}`).toBe(before);
      const asking = ['upgrade', 'rollback'].includes(change) ? await client() : undefined;
      const kill = { env: { STOWAGE_TEST_KILL: point }, node: ['--import', KILLER] };
      const again = await argumentsOf(change);
      const killed = await site.runWith(kill, ...again);
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
      `${change}: ${states.length} lines, killed at ${ends.length} points, ${ends.filter((each) => each === 'new').length} kept\n`,
    );
  });
});
