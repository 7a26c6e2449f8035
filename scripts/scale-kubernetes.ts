// npm run scale:kubernetes [-- NODES RELEASES]
// Installs 100 releases on a cluster of 1,000 nodes, then times plan, status and drift, and counts what they ask the API server.
// Needs root and what the cluster of the lab needs; takes a quarter of an hour.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '../test/lab/kubernetes/cluster.ts';
import { startClusterSite } from '../test/support/cluster-site.ts';
import { runProgram } from '../test/support/fake-terminal.ts';
import { lightReleases } from '../test/support/light-release.ts';

const [nodes = 1000, count = 100] = process.argv.slice(2).map(Number);
const LIMIT_SECONDS = 5;
const LIMIT_MIB = 256;
const FAKE = `  nodeSelector: { type: kwok }
  tolerations: [{ key: kwok.x-k8s.io/node, operator: Exists }]
`;
const work = mkdtempSync(join(tmpdir(), 'scale-'));
const audit = join(work, 'audit.log');
writeFileSync(
  join(work, 'audit.yaml'),
  'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{ level: Metadata }]\n',
);
const cluster = await startCluster({
  ...{ nodes: 1, fakeNodes: nodes },
  apiServer: [`--audit-policy-file=${join(work, 'audit.yaml')}`, `--audit-log-path=${audit}`],
});
const began = performance.now();
const minutes = (): string => ((performance.now() - began) / 60_000).toFixed(1);
let failed = false;
try {
  await measureAll();
} finally {
  await cluster.stop();
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

async function measureAll(): Promise<void> {
  const releases = await lightReleases(join(work, 'releases'));
  // Nodes of KWOK run nothing, so nothing is asked whether it is ready.
  const make = (name: string, version = '1.0.0', seq = 1): Promise<string> =>
    releases.make({ name, version, seq, health: false });
  const folder = join(work, 'plant');
  mkdirSync(folder);
  const first = await make('release-1');
  const site = await startClusterSite({
    ...{ folder, cluster, side: releases, port: 5443, first, more: FAKE },
  });
  try {
    // In this process, which need not start a hundred times.
    const values = {
      env: { STOWAGE_SITE: site.folder },
      now: () => new Date(),
      uid: 0,
      root: true,
    };
    for (let number = 1; number <= count; number++) {
      const bundle = number === 1 ? first : await make(`release-${number}`);
      const { status, stderr } = await runProgram(['install', bundle], folder, values);
      if (status !== 0) throw new Error(`release-${number}: ${stderr}`);
      if (number % 10 === 0) console.log(`${number} releases are installed after ${minutes()} min`);
    }
    await site.must('import', await make('release-1', '2.0.0', 2));
    const measure = async (what: string, status: number, ...args: readonly string[]) => {
      const before = requests().length;
      const start = performance.now();
      const ran = await site.run(...args);
      const seconds = (performance.now() - start) / 1000;
      const mib = ran.peakBytes / 2 ** 20;
      const asked = requests().slice(before);
      if (ran.status !== status) throw new Error(`${what}: ${ran.status} ${ran.stderr}`);
      const good = seconds < LIMIT_SECONDS && mib < LIMIT_MIB;
      failed ||= !good;
      console.log(
        `${good ? 'ok  ' : 'OVER'} ${what.padEnd(34)} ${seconds.toFixed(1)} s, ${mib.toFixed(0)} MiB, ${asked.length} requests: ${summary(asked)}`,
      );
    };
    console.log(`\n${nodes} nodes, ${count} releases`);
    await measure('plan an upgrade', 0, 'plan', 'release-1@2.0.0');
    await measure('status', 0, 'status');
    await measure('status --check', 0, 'status', '--check');
    const deployment = await cluster.kubectl(
      ...['get', 'deployment', '-n', 'stowage-release-7', '--output=name'],
    );
    await cluster.kubectl('scale', deployment.trim(), '-n', 'stowage-release-7', '--replicas=3');
    await measure('status --check, with one drift', 5, 'status', '--check');
  } finally {
    await site.stop();
  }
}

interface Asked {
  readonly verb: string;
  readonly requestURI: string;
  readonly userAgent?: string;
}

/** Every request of ours so far, as the API server noted it. */
function requests(): Asked[] {
  return readFileSync(audit, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"userAgent":"stowage'))
    .map((line) => JSON.parse(line) as Asked);
}

function summary(asked: readonly Asked[]): string {
  const counts = new Map<string, number>();
  for (const { verb, requestURI } of asked) {
    const { pathname } = new URL(requestURI, 'https://x');
    const resource = pathname
      .replace(/^\/(?:apis\/[^/]+|api)\/v1\//, '')
      .replace(/^namespaces\/[^/]+\//, '')
      .split('/')[0];
    const all = verb === 'list' && !/Selector/.test(requestURI) ? ' (all)' : '';
    const key = `${verb} ${resource}${all}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, times]) => `${times} ${key}`).join(', ');
}
