import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MIB } from '../../src/core/limits.ts';
import { MAX_OBJECTS } from '../../src/format/rendered-objects.ts';
import { downloadModule } from '../lab/go.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { type ClusterSite, startClusterSite } from '../support/cluster-site.ts';
import { LONG, noCluster, skipWithoutLongLab, startLabCluster } from '../support/kubernetes-lab.ts';
import type { Ran } from './cli.ts';
import { type ConnectedSide, connectedSide } from './connected.ts';

// A release of 5,000 objects, and the largest definition that is published: KServe's InferenceService, of 1 MB.
const NAMESPACE = 'stowage-many';
const COUNT = 5000;
const work = mkdtempSync(join(tmpdir(), 'kubernetes-large-sets-'));
let cluster: Cluster;
let site: ClusterSite;
let side: ConnectedSide;
const measured: string[] = [];

beforeAll(async () => {
  if (!LONG) return;
  if (noCluster !== undefined) return;
  const { Dir } = await downloadModule('github.com/kserve/kserve@v0.15.2');
  const things = join(work, 'things');
  mkdirSync(things);
  const definition = 'serving.kserve.io_inferenceservices.yaml';
  cpSync(join(Dir, 'config/crd/full', definition), join(things, 'definition.yaml'));
  writeFileSync(join(things, 'many.yaml'), objects(COUNT, 'one'));
  side = await connectedSide(work, { hub: { url: 'http://127.0.0.1:9' } });
  const first = await side.release(manifest('1.0.0'), 'one', '--no-installer');
  writeFileSync(join(things, 'many.yaml'), objects(COUNT, 'two'));
  const second = await side.release(manifest('1.1.0'), 'two', '--no-installer');
  const lab = await startLabCluster({ nodes: 1 });
  if (lab === undefined) return;
  cluster = lab;
  site = await startClusterSite({ folder: join(work, 'plant'), cluster, side, port: 5443, first });
  await site.must('import', second);
});

beforeEach((test) => {
  skipWithoutLongLab(test, cluster);
});

afterAll(async () => {
  console.log(measured.join('\n'));
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

const manifest = (version: string): string => `apiVersion: stowage/v1
name: many
version: ${version}
objects: [{ name: things, source: ./things }]
`;

function objects(count: number, mode: string): string {
  return Array.from(
    { length: count },
    (_, index) => `apiVersion: v1
kind: ConfigMap
metadata: { name: thing-${index} }
data: { mode: ${index % 100 === 0 ? mode : 'all'} }
`,
  ).join('---\n');
}

async function timed(...words: readonly string[]): Promise<Ran> {
  const began = performance.now();
  const ran = await site.must(...words);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  measured.push(`${words[0]}: ${seconds} s, ${Math.round(ran.peakBytes / MIB)} MiB`);
  expect(ran.peakBytes).toBeLessThan(1024 * MIB);
  return ran;
}

async function modes(): Promise<string[]> {
  const found = await cluster.kubectl(
    ...['get', 'configmaps', '--namespace', NAMESPACE],
    ...['--selector', 'stowage.dev/release=many', '--output=jsonpath={.items[*].data.mode}'],
  );
  return found.split(' ');
}

const changed = (mode: string): string[] =>
  Array.from({ length: COUNT }, (_, index) => (index % 100 === 0 ? mode : 'all'));

describe('when a release has 5,000 objects and a definition of 1 MB', () => {
  it('is planned, installed, shown, upgraded, rolled back and uninstalled', async () => {
    await timed('plan', 'many@1.0.0');
    await timed('install', 'many@1.0.0');
    expect((await modes()).toSorted()).toEqual(changed('one').toSorted());
    const crd = 'inferenceservices.serving.kserve.io';
    const { status } = await cluster.tryKubectl('get', 'crd', crd);
    expect(status).toBe(0);
    const { services } = (await timed('status')).json;
    expect(services[0]).toMatchObject({ state: { state: 'running' }, drift: [] });
    await timed('install', 'many@1.1.0');
    expect((await modes()).toSorted()).toEqual(changed('two').toSorted());
    await timed('rollback');
    expect((await modes()).toSorted()).toEqual(changed('one').toSorted());
    await timed('uninstall', 'many');
    expect((await cluster.tryKubectl('get', 'namespace', NAMESPACE)).status).toBe(1);
  });

  it('is refused at lock above the limit of objects', async () => {
    writeFileSync(join(work, 'things/many.yaml'), objects(MAX_OBJECTS + 1, 'one'));
    const { status, stderr } = await side.run('lock', 'many.yaml');
    expect([status, stderr]).toEqual([1, expect.stringContaining('chart-failed')]);
    expect(stderr).toContain(`over ${MAX_OBJECTS} objects`);
    expect(readFileSync(join(work, 'many.lock.json'), 'utf8')).toContain('"version": "1.1.0"');
  });
});
