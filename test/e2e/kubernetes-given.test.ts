import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { clusterObjects, untilProbesGone } from '../support/cluster-objects.ts';
import { type OpenSite, openClusterSite } from '../support/cluster-site.ts';
import { expectAccepted, goldenReleases } from '../support/golden-objects.ts';
import {
  noCluster,
  skipUnlessLong,
  startTestCluster,
  type TestCluster,
} from '../support/kubernetes-lab.ts';
import { lightReleases } from '../support/light-release.ts';
import { skipBecause } from '../support/skip-because.ts';

// What can be tried on every cluster, also on one that somebody has: nodes need not reach this host, no node is changed, and
// nothing stays.
const PREFIX = `stowage-test-${process.pid.toString(36)}-`;
const NAMESPACE = `${PREFIX}models`;
/** Nothing listens there: no node gets an image. */
const NOWHERE = '127.0.0.1:9';
const IMAGES = `{ from: push, registry: "${NOWHERE}" }`;
const work = mkdtempSync(join(tmpdir(), 'given-'));
let cluster: TestCluster;
let site: OpenSite;

beforeAll(async () => {
  if (noCluster !== undefined) return;
  cluster = await startTestCluster({ nodes: 1 });
  const releases = await lightReleases(join(work, 'releases'));
  const values = { version: '1.0.0', seq: 1, health: { startupLimitSeconds: 15 } };
  const first = await releases.make(values);
  // Needs every right of the page: a budget, and a gate that runs a program in the container.
  const command = ['/bin/cat', '/srv/release.json'];
  const guarded = await releases.make({
    ...{ name: 'guarded', version: '1.0.0', seq: 1 },
    service: { replicas: 2, disruption: 1, health: { server: 'command', command } },
  });
  const folder = join(work, 'plant');
  mkdirSync(folder);
  const { kubeconfig } = cluster;
  site = await openClusterSite({
    ...{ folder, side: releases, port: 9, first, kubeconfig, registry: NOWHERE },
  });
  await site.must('import', guarded);
  site.configure({ images: IMAGES, more: `  namespacePrefix: ${PREFIX}\n` });
});

beforeEach((test) => {
  if (noCluster !== undefined) skipBecause(test, noCluster);
});

afterAll(async () => {
  await cluster?.kubectl('delete', 'namespace', NAMESPACE, '--ignore-not-found').catch(() => {});
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

/** The rules that are not satisfied. */
function violated({ plan }: { plan: { constraints: { rule: string; satisfied: boolean }[] } }) {
  return plan.constraints.filter((each) => !each.satisfied).map((each) => each.rule);
}

async function apply(...items: readonly object[]): Promise<string> {
  const file = join(work, 'objects.json');
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  return cluster.kubectl('apply', '--server-side', '--filename', file);
}

describe('when a cluster is tried', () => {
  it.each(goldenReleases)('accepts every object of %s', (name) =>
    expectAccepted(cluster, name, work),
  );

  it('plans with a dry run of the server, and changes nothing by that', async () => {
    const { json, status } = await site.run('plan', 'chat');
    // Nothing else is wrong than that no node gets an image.
    expect(status).toBe(4);
    expect(violated(json)).toEqual(['image-pull']);
    await untilProbesGone(cluster);
    expect(await cluster.kubectl('get', 'namespaces', '--output=name')).not.toContain(PREFIX);
  });

  it('says that a node gets no image, and leaves nothing', async () => {
    const { status, json } = await site.run('install', 'chat');
    expect(status).toBe(12);
    expect(json.error.code).toBe('host-unfit');
    expect(JSON.stringify(json.error)).toMatch(
      /does not reach the registry at 127\.0\.0\.1:9: connection refused/,
    );
    const id = `stowage.dev/release=chat,app.kubernetes.io/managed-by=stowage`;
    expect(await clusterObjects(cluster, id)).not.toContain(PREFIX);
  });

  it('needs no more than the Role of the page, and names a right that is missing', async () => {
    const page = readFileSync(new URL('../../manifests/KUBERNETES.md', import.meta.url), 'utf8');
    const role = parse(/^kind: Role$[\s\S]*?(?=^```$)/m.exec(page)?.[0] ?? '');
    const api = 'rbac.authorization.k8s.io';
    const within = { namespace: NAMESPACE };
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await apply(
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'operator', ...within } },
      { ...role, apiVersion: `${api}/v1`, metadata: { name: 'stowage', ...within } },
      {
        ...{ apiVersion: `${api}/v1`, kind: 'RoleBinding' },
        metadata: { name: 'stowage', ...within },
        roleRef: { apiGroup: api, kind: 'Role', name: 'stowage' },
        subjects: [{ kind: 'ServiceAccount', name: 'operator', ...within }],
      },
    );
    const token = await cluster.kubectl('create', 'token', 'operator', '-n', NAMESPACE);
    const given = JSON.parse(
      await cluster.kubectl('config', 'view', '--raw', '--flatten', '--minify', '--output=json'),
    );
    given.users[0].user = { token: token.trim() };
    const kubeconfig = join(work, 'operator.conf');
    writeFileSync(kubeconfig, JSON.stringify(given), { mode: 0o600 });
    site.configure({ images: IMAGES, kubeconfig, more: `  namespace: ${NAMESPACE}\n` });
    expect((await site.run('plan', 'chat')).json.plan.constraints).toContainEqual(
      expect.objectContaining({ rule: 'rights', satisfied: true }),
    );
    await cluster.kubectl(
      ...['patch', 'role', 'stowage', '-n', NAMESPACE, '--type=json'],
      ...['-p', '[{"op":"replace","path":"/rules/1/verbs","value":["get","create","patch"]}]'],
    );
    const refused = await site.run('plan', 'chat');
    expect(refused.status).toBe(4);
    expect(refused.stdout).toContain(`it may not delete deployments.apps in ${NAMESPACE}`);
  });

  it('names each right that is missing, and no other', { timeout: 1_200_000 }, async (test) => {
    skipUnlessLong(test);
    const page = readFileSync(new URL('../../manifests/KUBERNETES.md', import.meta.url), 'utf8');
    const text = /^kind: Role$[\s\S]*?(?=^ {2}# Optional)/m.exec(page)?.[0] ?? '';
    const { rules } = parse(text) as { rules: Rule[] };
    const single = rules.flatMap(({ apiGroups, resources, verbs }) =>
      resources.flatMap((resource) =>
        verbs.map((verb): Rule => ({ apiGroups, resources: [resource], verbs: [verb] })),
      ),
    );
    expect(single.length).toBeGreaterThan(25);
    const give = async (some: readonly Rule[]): Promise<void> => {
      const metadata = { name: 'stowage', namespace: NAMESPACE };
      await apply({
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata,
        rules: some,
      });
    };
    await cluster.kubectl('delete', 'role', 'stowage', '-n', NAMESPACE);
    for (const missing of single) {
      const { apiGroups, resources, verbs } = missing;
      await give(single.filter((each) => each !== missing));
      const { plan } = (await site.run('plan', 'guarded')).json;
      const [group = ''] = apiGroups;
      const resource = `${resources[0]}${group === '' ? '' : `.${group}`}`;
      expect(plan.constraints).toContainEqual(
        expect.objectContaining({
          ...{ rule: 'rights', satisfied: false },
          found: `it may not ${verbs[0]} ${resource} in ${NAMESPACE}`,
        }),
      );
    }
    await give(single);
    expect((await site.run('plan', 'guarded')).json.plan.constraints).toContainEqual(
      expect.objectContaining({ rule: 'rights', satisfied: true }),
    );
  });
});

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}
