import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import type { Constraint, Operation, Plan } from '../../src/format/plan.ts';
import type { RenderedObject } from '../../src/format/rendered-objects.ts';
import { sendRequest } from '../../src/target/http-request.ts';
import { Cluster as ClusterApi } from '../../src/target/kubernetes/api/cluster.ts';
import { openConnection } from '../../src/target/kubernetes/api/connection.ts';
import { ObjectApi } from '../../src/target/kubernetes/api/object-api.ts';
import type { ClusterConstraintInput } from '../../src/target/kubernetes/constraints/constraint.ts';
import { definitions } from '../../src/target/kubernetes/constraints/definitions.ts';
import {
  objectAdmission,
  objectKinds,
  objectOwners,
  objectPlaces,
} from '../../src/target/kubernetes/constraints/objects.ts';
import { rights } from '../../src/target/kubernetes/constraints/rights.ts';
import { createKubernetesTarget } from '../../src/target/kubernetes/kubernetes.ts';
import type { Target } from '../../src/target/target.ts';
import { clientPrograms } from '../lab/kubernetes/clients.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { run } from '../lab/process.ts';
import type { Registry } from '../lab/registry.ts';
import { changeCluster, operate, planOf } from '../support/cluster-change.ts';
import {
  config,
  definition,
  deployment,
  gadget,
  hook,
  SIZE,
  server,
} from '../support/gadget-objects.ts';
import {
  noCluster,
  skipWithoutLab,
  startLabCluster,
  trustedRegistry,
} from '../support/kubernetes-lab.ts';
import { type ObjectsRelease, objectsRelease, plain } from '../support/objects-release.ts';
import { clusterSite, generationOf } from '../target/kubernetes/rendered.ts';

// The objects of charts in a real cluster: what its API server and controllers alone can show.
const NAMESPACE = 'stowage-gear';
const { signal } = new AbortController();
const work = mkdtempSync(join(tmpdir(), 'kubernetes-objects-'));
let cluster: Cluster;
let registry: Registry;
let target: Target;

beforeAll(async () => {
  if (noCluster !== undefined) return;
  const lab = await startLabCluster({ nodes: 1 });
  if (lab === undefined) return;
  cluster = lab;
  registry = await trustedRegistry(cluster);
  target = freshTarget();
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

function freshTarget(): Target {
  const { kubeconfig } = cluster;
  return createKubernetesTarget({
    ...{ env: {}, root: work },
    settings: async () => clusterSite({ kubeconfig }),
  });
}

const first = objectsRelease([
  definition(SIZE),
  config({ mode: 'one' }),
  deployment(),
  hook('prepare', 'pre-install', 'echo prepared'),
  hook('check', 'test', 'echo passed'),
  hook('goodbye', 'pre-delete', 'echo goodbye'),
  gadget(1),
]);

const none = generationOf(0);
const generation = (number: number, { release }: ObjectsRelease) => generationOf(number, release);

// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function get(...args: readonly string[]): Promise<any> {
  return JSON.parse(
    await cluster.kubectl('get', '--namespace', NAMESPACE, '--output=json', ...args),
  );
}

/** Everything that is ours, with its content, but without what the server counts. */
async function ours(): Promise<string[]> {
  const defined = await cluster.tryKubectl('get', 'crd', 'gadgets.demo.example');
  const gadgets = defined.status === 0 ? ',gadgets.demo.example' : '';
  const kinds = `configmaps,deployments,jobs${gadgets}`;
  const selector = 'app.kubernetes.io/managed-by=stowage';
  const { items } = JSON.parse(
    await cluster.kubectl(
      ...['get', kinds, '--namespace', NAMESPACE, '--selector', selector, '--output=json'],
    ),
  );
  const crd = await cluster.kubectl(...['get', 'crd', '--selector', selector, '--output=json']);
  // biome-ignore lint/suspicious/noExplicitAny: as above
  return [...items, ...JSON.parse(crd).items].map((each: any) => {
    const { name, labels, annotations = {} } = each.metadata;
    const { 'deployment.kubernetes.io/revision': _, ...notes } = annotations;
    const content = { labels, notes, spec: each.spec, data: each.data };
    return `${each.kind} ${name} ${JSON.stringify(content)}`;
  });
}

/** What a plan says of the objects, by rule. */
async function checks(
  from: ObjectsRelease | undefined,
  { release, bundle }: ObjectsRelease,
): Promise<Record<string, Constraint>> {
  const change = {
    ...{ intent: 'install', from: from === undefined ? none : generation(1, from) },
    to: generationOf(2, release),
    bundles: new Map([[release.bundle, bundle]]),
  } as const;
  const { kubeconfig } = cluster;
  const api = new ObjectApi(new ClusterApi(await openConnection({ kubeconfig }, {})));
  const input = {
    ...{ change, api, cluster: api.cluster, settings: clusterSite(), signal },
  } as unknown as ClusterConstraintInput;
  const rules = [rights, objectKinds, objectPlaces, objectOwners, definitions, objectAdmission];
  const seen = (await Promise.all(rules.map((rule) => rule(input)))).flat();
  return Object.fromEntries(seen.map((each) => [each.rule, each]));
}

async function failureOf(from: ObjectsRelease, to: ObjectsRelease): Promise<StowageError> {
  const { failure } = await changeCluster(target, {
    from: generation(1, from),
    to: generation(2, to),
  });
  if (!(failure instanceof StowageError)) throw failure ?? new Error('it did not fail');
  return failure;
}

describe('when a release of objects is installed', () => {
  it('is refused for what the plan finds, and says what is not proven yet', async () => {
    const odd = objectsRelease([
      plain({ apiVersion: 'nobody.example/v1', kind: 'Riddle', metadata: { name: 'x' } }),
      plain({ ...config({}).object, metadata: { name: 'stray', namespace: 'kube-system' } }),
      plain({ ...deployment().object, spec: { replicas: 1, typo: true } }),
    ]);
    const refused = await checks(undefined, odd);
    expect(refused['kind']).toMatchObject({ satisfied: false });
    expect(refused['kind']?.found).toContain('Riddle (nobody.example/v1)');
    expect(refused['object-namespace']).toMatchObject({ satisfied: false });
    expect(refused['object-admission']?.found).toContain('Deployment stowage-gear/worker');
    const accepted = await checks(undefined, first);
    for (const rule of ['kind', 'object-namespace', 'object-owner', 'object-admission', 'rights'])
      expect(accepted[rule], rule).toMatchObject({ satisfied: true });
    expect(accepted['object-admission']?.found).toContain(
      'not proven until their definition exists: Gadget',
    );
  });

  it('applies definitions, hooks and everything else, and all of it gets ready', async () => {
    const { failure } = await changeCluster(target, { from: none, to: generation(1, first) });
    expect(failure).toBeUndefined();
    const state = await target.state({ release: first.release, service: 'things' }, signal);
    expect(state).toMatchObject({ state: 'running', drift: [] });
    const { spec, metadata } = await get('gadget', 'first');
    expect(spec).toEqual({ size: 1 });
    expect(metadata.labels).toMatchObject({ 'stowage.dev/release': 'gear' });
  });
});

describe('when the cluster has other objects than were applied', () => {
  it('names fields that differ, and a repair makes them what they were', async () => {
    await cluster.kubectl('delete', 'configmap', 'settings', '--namespace', NAMESPACE);
    await cluster.kubectl(
      ...['label', 'deployment', 'worker', 'stowage.dev/service=other', '--overwrite'],
      ...['--namespace', NAMESPACE],
    );
    const of = { release: first.release, service: 'things' };
    const { drift } = await target.state(of, signal);
    expect(drift.map(({ field }) => field)).toEqual([
      'ConfigMap settings',
      'Deployment worker .metadata.labels.stowage.dev/service',
    ]);
    await cluster.kubectl(
      ...['label', 'deployment', 'worker', 'stowage.dev/service-', '--namespace', NAMESPACE],
    );
    const kept = generation(1, first);
    const repairs = [{ release: 'gear', service: 'things', running: true, reason: 'drift' }];
    const { failure, plan } = await changeCluster(target, { from: kept, to: kept, repairs });
    expect(failure).toBeUndefined();
    expect(plan.steps.map(({ do: { action } }) => action)).toContain('repair-set');
    expect(await target.state(of, signal)).toMatchObject({ state: 'running', drift: [] });
  });
});

describe('when an upgrade fails', () => {
  let before: string[];

  beforeEach(async () => {
    before = await ours();
  });

  it('restores a changed definition and every object after a hook that fails, and shows its last lines', async () => {
    const second = objectsRelease(
      [
        definition({ ...SIZE, color: { type: 'string' } }),
        config({ mode: 'two', more: 'yes' }),
        config({ only: 'new' }, 'added'),
        deployment(),
        hook('migrate', 'pre-upgrade', 'echo the schema is broken; exit 3'),
        gadget(2),
      ],
      { version: '1.1.0' },
    );
    const failure = await failureOf(first, second);
    expect(failure.code).toBe('gate-failed');
    expect(failure.defects.join('\n')).toContain('the schema is broken');
    expect(await ours()).toEqual(before);
  });

  it('restores every object after an image that no registry has', async () => {
    const second = objectsRelease(
      [
        definition(SIZE),
        config({ mode: 'three' }),
        deployment(`${registry.host}/demo/absent:1`),
        gadget(3),
      ],
      { version: '1.2.0' },
    );
    const failure = await failureOf(first, second);
    expect(failure.code).toBe('gate-failed');
    expect(failure.found).toMatch(/no such image/);
    expect(await ours()).toEqual(before);
  });
});

describe('when a definition accepts less than before', () => {
  it('is refused while the cluster has an object of it', async () => {
    const narrow = objectsRelease([definition({}), config({}), gadget(1)], { version: '1.3.0' });
    const { definition: found } = await checks(first, narrow);
    expect(found).toMatchObject({ satisfied: false });
    expect(found?.found).toBe('field v1: spec.size is removed');
  });
});

describe('when an object is changed by somebody else', () => {
  it('is refused by a plan that names field and manager, and is drift', async () => {
    await cluster.kubectl(
      ...['patch', 'configmap', 'settings', '--namespace', NAMESPACE, '--type=merge'],
      ...['--patch', '{"data":{"mode":"edited"}}', '--field-manager=somebody'],
    );
    const second = objectsRelease([definition(SIZE), config({ mode: 'four' }), gadget(1)], {
      version: '1.4.0',
    });
    const { 'object-admission': found } = await checks(first, second);
    expect(found?.satisfied).toBe(false);
    expect(found?.found).toContain('somebody manages .data.mode');
    const { drift } = await target.state({ release: first.release, service: 'things' }, signal);
    expect(drift).toEqual([
      {
        field: 'ConfigMap settings .data.mode',
        ...{ expected: 'as it was applied', found: 'changed by somebody' },
      },
    ]);
    await cluster.kubectl('delete', 'configmap', 'settings', '--namespace', NAMESPACE);
    const kept = generation(1, first);
    const repairs = [{ release: 'gear', service: 'things', running: true, reason: 'drift' }];
    await changeCluster(target, { from: kept, to: kept, repairs });
  });
});

describe('when objects belong to a release of Helm', () => {
  it('is refused without adopt; with it, an uninstall restores them and leaves definitions only', async () => {
    const helm = join(await clientPrograms(), 'helm');
    const chart = writeChart(join(work, 'chart'));
    const args = ['--kubeconfig', cluster.kubeconfig, '--namespace', 'default'];
    await run(helm, ['install', 'before', chart, ...args], { env: { HOME: work } });
    const read = async (): Promise<Found> => {
      const text = await cluster.kubectl(
        ...['get', 'clusterrole', 'adopted', '--output=json', '--show-managed-fields'],
      );
      return JSON.parse(text);
    };
    const { metadata: was, rules } = await read();
    const roleFor = (verb: string): RenderedObject =>
      plain({
        ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole' },
        metadata: { name: 'adopted' },
        rules: [{ apiGroups: [''], resources: ['pods'], verbs: [verb] }],
      });
    const all = [definition(SIZE), config({ mode: 'five' }), gadget(1), roleFor('get')];
    const { 'object-owner': refused } = await checks(
      first,
      objectsRelease(all, { version: '1.5.0' }),
    );
    expect(refused).toMatchObject({ satisfied: false });
    expect(refused?.found).toContain('ClusterRole adopted belongs to Helm release before');
    const adopting = objectsRelease(all, { version: '1.5.1', adopt: true });
    const { 'object-owner': allowed, 'object-admission': admitted } = await checks(first, adopting);
    expect([allowed?.satisfied, admitted?.satisfied]).toEqual([true, true]);
    const { failure } = await changeCluster(target, {
      from: generation(1, first),
      to: generation(2, adopting),
    });
    expect(failure).toBeUndefined();
    expect((await read()).rules).toEqual([
      { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
    ]);
    // Another version adopts nothing again, and the original objects are restored.
    const next = objectsRelease([...all.slice(0, 3), roleFor('list')], {
      ...({ version: '1.5.2', adopt: true } as const),
    });
    const upgraded = await changeCluster(target, {
      ...{ from: generation(2, adopting), to: generation(3, next) },
    });
    expect(upgraded.failure).toBeUndefined();
    expect(JSON.stringify((await read()).rules)).toContain('list');
    const uninstall = { from: generation(3, next), to: generationOf(4) };
    const record = join(work, 'replaced-objects.json');
    renameSync(record, `${record}.lost`);
    const lost = await changeCluster(target, { intent: 'uninstall', ...uninstall });
    expect(lost.failure).toMatchObject({ code: 'state-damaged' });
    expect(JSON.stringify((await read()).rules)).toContain('list');
    renameSync(`${record}.lost`, record);
    const gone = await changeCluster(target, { intent: 'uninstall', ...uninstall });
    expect(gone.failure).toBeUndefined();
    expect((await cluster.tryKubectl('get', 'namespace', NAMESPACE)).status).toBe(1);
    expect((await ours()).map((each) => each.split(' ', 2).join(' '))).toEqual([
      'CustomResourceDefinition gadgets.demo.example',
    ]);
    const back = await read();
    expect(back.rules).toEqual(rules);
    const { resourceVersion: _, ...before } = was;
    const { resourceVersion: __, ...after } = back.metadata;
    expect(after).toEqual(before);
    await run(helm, ['uninstall', 'before', ...args], { env: { HOME: work } });
  });
});

describe('when an installation fails', () => {
  it('leaves a definition as an earlier release left it, and removes one that it made', async () => {
    const left = await ours();
    const broken = objectsRelease([
      definition({ ...SIZE, color: { type: 'string' } }),
      hook('prepare', 'pre-install', 'exit 1'),
    ]);
    const again = await changeCluster(target, { from: none, to: generation(1, broken) });
    expect(again.failure).toMatchObject({ code: 'gate-failed' });
    expect(await ours()).toEqual(left);
    await cluster.kubectl('delete', 'crd', 'gadgets.demo.example');
    const fresh = await changeCluster(target, { from: none, to: generation(1, broken) });
    expect(fresh.failure).toMatchObject({ code: 'gate-failed' });
    expect(await ours()).toEqual([]);
  });
});

interface Found {
  readonly metadata: { readonly resourceVersion: string };
  readonly rules: unknown;
}

/** A chart with one object of the cluster. */
function writeChart(folder: string): string {
  mkdirSync(join(folder, 'templates'), { recursive: true });
  writeFileSync(join(folder, 'Chart.yaml'), 'apiVersion: v2\nname: before\nversion: 1.0.0\n');
  const role = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: adopted, annotations: { why: because } }
rules: [{ apiGroups: [""], resources: [pods, nodes], verbs: [get, list] }]
`;
  writeFileSync(join(folder, 'templates/role.yaml'), role);
  return folder;
}

describe('when a change is killed at any request', () => {
  const small = (size: number, mode: string, properties: object, version: string) =>
    objectsRelease(
      [definition(properties), config({ mode }), config({ mode }, `only-${mode}`), gadget(size)],
      { version },
    );
  const one = small(1, 'one', SIZE, '3.0.0');
  const two = small(2, 'two', { ...SIZE, color: { type: 'string' } }, '3.1.0');

  /** Runs a change in which the request after so many is the last one. @returns how many there were */
  async function killed(
    after: number,
    work: (target: Target) => Promise<unknown>,
  ): Promise<number> {
    const send = ClusterApi.prototype.send;
    let count = 0;
    const end = (): never => {
      throw new Error('killed');
    };
    ClusterApi.prototype.send = async function (this: ClusterApi, ...args) {
      count += 1;
      // Before the request is sent, or after it was and its answer is lost.
      if (count > after && after % 2 === 0) end();
      const answer = await send.apply(this, args);
      if (count > after) end();
      return answer;
    };
    try {
      await work(freshTarget());
    } catch (error) {
      if (!(error instanceof Error) || error.message !== 'killed') throw error;
    } finally {
      ClusterApi.prototype.send = send;
    }
    return count;
  }

  it('is undone by its inverses from wherever it stopped, twice as well as once', async () => {
    await changeCluster(target, { from: none, to: generation(1, one) });
    const before = await ours();
    const { plan } = await changeCluster(target, {
      from: generation(1, one),
      to: generation(2, two),
    });
    await changeCluster(target, { from: generation(2, two), to: generation(1, one) });
    expect(await ours()).toEqual(before);
    const step = plan.steps.find(({ do: { action } }) => action === 'apply-set');
    if (step?.undo === undefined) throw new Error('no step with an inverse');
    const { do: apply, undo } = step;
    const all = await killed(1000, (fresh) => operate(fresh, plan, apply, signal));
    const requests = await killed(1000, (fresh) => operate(fresh, plan, undo, signal));
    expect(await ours()).toEqual(before);
    expect(Math.min(all, requests)).toBeGreaterThan(5);
    for (let after = 1; after <= Math.max(all, requests); after += 2) {
      await killed(after, (fresh) => operate(fresh, plan, apply, signal));
      await killed(after, (fresh) => operate(fresh, plan, undo, signal));
      await operate(freshTarget(), plan, undo, signal);
      expect(await ours(), `after ${after} requests`).toEqual(before);
    }
    await killedUninstalls();
    await killedPrunes(apply, plan);
    await changeCluster(target, {
      ...{ intent: 'uninstall', from: generation(1, one), to: generationOf(2) },
    });
    await cluster.kubectl('delete', 'crd', 'gadgets.demo.example');
  });

  /** An uninstall that is killed ends when it runs again, and is undone from wherever it and its undo stopped. */
  async function killedUninstalls(): Promise<void> {
    const before = await ours();
    const plan = planOf(target, {
      ...{ intent: 'uninstall', from: generation(1, one), to: generationOf(2) },
    });
    const step = plan.steps.find(({ do: { action } }) => action === 'uninstall-set');
    if (step?.undo === undefined) throw new Error('no uninstall with an inverse');
    const { do: uninstall, undo } = step;
    for (const after of [3, 8, 13]) {
      await killed(after, (fresh) => operate(fresh, plan, uninstall, signal));
      await operate(freshTarget(), plan, uninstall, signal);
      expect((await ours()).join('\n'), `after ${after} requests`).not.toMatch(/settings|only-one/);
      await killed(after, (fresh) => operate(fresh, plan, undo, signal));
      await operate(freshTarget(), plan, undo, signal);
      expect(await ours(), `after ${after} requests`).toEqual(before);
    }
  }

  async function killedPrunes(apply: Operation, plan: Plan): Promise<void> {
    const before = await ours();
    const back = planOf(target, { from: generation(2, two), to: generation(1, one) });
    const [again, prune] = ['apply-set', 'prune-set'].map(
      (action) => back.steps.find((each) => each.do.action === action)?.do,
    );
    if (again === undefined || prune === undefined) throw new Error('nothing to prune');
    for (const after of [3, 6]) {
      await operate(freshTarget(), plan, apply, signal);
      await operate(freshTarget(), back, again, signal);
      await killed(after, (fresh) => operate(fresh, back, prune, signal));
      await operate(freshTarget(), back, prune, signal);
      expect(await ours(), `after ${after} requests`).toEqual(before);
    }
  }
});

describe('when two releases contain the same definition, and a chart keeps an object', () => {
  it('has no drift in either, and leaves the definition and what is kept, in its namespace', async () => {
    const keep = { 'helm.sh/resource-policy': 'keep' };
    const kept = plain({
      ...{ apiVersion: 'v1', kind: 'ConfigMap', data: { a: 'b' } },
      metadata: { name: 'kept', annotations: keep },
    });
    const one = objectsRelease([definition(SIZE), gadget(1)], { version: '6.0.0' });
    const two = objectsRelease([definition(SIZE), kept, config({ mode: 'x' })], { name: 'wheel' });
    const both = generationOf(2, one.release, two.release);
    const installed = [
      await changeCluster(target, { from: none, to: generation(1, one) }),
      await changeCluster(target, { from: generation(1, one), to: both }),
    ];
    expect(installed.map(({ failure }) => failure)).toEqual([undefined, undefined]);
    for (const { release } of [one, two])
      expect(await target.state({ release, service: 'things' }, signal)).toMatchObject({
        drift: [],
      });
    const left = await changeCluster(target, {
      ...{ intent: 'uninstall', from: both, to: generation(3, one) },
    });
    expect(left.failure).toBeUndefined();
    expect(await cluster.kubectl('get', 'configmap', '-n', 'stowage-wheel', '-o', 'name')).toBe(
      'configmap/kept\nconfigmap/kube-root-ca.crt\n',
    );
    expect(await get('gadget', 'first')).toMatchObject({ spec: { size: 1 } });
    await cluster.kubectl('delete', 'namespace', 'stowage-wheel');
    await changeCluster(target, {
      ...{ intent: 'uninstall', from: generation(3, one), to: generationOf(4) },
    });
    await cluster.kubectl('delete', 'crd', 'gadgets.demo.example');
  });
});

describe('when a cluster removes a Job that ended', () => {
  it('has no drift, and the Job runs no second time in a repair, an upgrade or a rollback', async () => {
    const { object } = hook('once', 'test', 'echo ran');
    const spec = { ...(object['spec'] as object), ttlSecondsAfterFinished: 0 };
    const once = plain({ ...object, spec });
    const one = objectsRelease([config({ mode: 'one' }), once], { version: '7.0.0' });
    const two = objectsRelease([config({ mode: 'two' }), once], { version: '7.1.0' });
    const { failure } = await changeCluster(target, { from: none, to: generation(1, one) });
    expect(failure).toBeUndefined();
    const ran = await get('job', 'once');
    expect(ran.spec.ttlSecondsAfterFinished).toBe(600);
    expect(ran.status.succeeded).toBe(1);
    await cluster.kubectl('delete', 'job', 'once', '--namespace', NAMESPACE);
    const of = { release: one.release, service: 'things' };
    expect(await target.state(of, signal)).toMatchObject({ state: 'running', drift: [] });
    const kept = generation(1, one);
    const repairs = [{ release: 'gear', service: 'things', running: true, reason: 'drift' }];
    const changes = [
      await changeCluster(target, { from: kept, to: kept, repairs }),
      await changeCluster(target, { from: kept, to: generation(2, two) }),
      await changeCluster(target, {
        ...{ intent: 'rollback', from: generation(2, two), to: generation(3, one) },
      }),
    ];
    expect(changes.map(({ failure: each }) => each)).toEqual([undefined, undefined, undefined]);
    expect((await get('configmap', 'settings')).data).toEqual({ mode: 'one' });
    expect((await cluster.tryKubectl('get', 'job', 'once', '-n', NAMESPACE)).status).toBe(1);
    await changeCluster(target, {
      ...{ intent: 'uninstall', from: generation(3, one), to: generationOf(4) },
    });
  });
});

describe('when objects serve a model', () => {
  it('is reached for prompts through the Service that the manifest names', async () => {
    const endpoint = { service: 'door', port: 80 };
    const release = objectsRelease(server, { version: '5.0.0', endpoint });
    const { failure } = await changeCluster(target, { from: none, to: generation(1, release) });
    expect(failure).toBeUndefined();
    const [service] = target.services(release.release);
    expect(service?.health).toMatchObject({ path: '/v1/models', port: 'endpoint' });
    const of = { release: release.release, service: 'things' };
    const open = await target.endpoint(of, 'endpoint', signal);
    const asked = { endpoint: open, path: '/absent', seconds: 10, signal };
    expect(await sendRequest(asked)).toMatchObject({ status: 404 });
    await open.close();
    await changeCluster(target, {
      ...{ intent: 'uninstall', from: generation(1, release), to: generationOf(2) },
    });
  });
});

describe('when an upgrade that fails stored objects in a newer version', () => {
  it('has them in the earlier version again, without the newer one', async () => {
    const versioned = (names: readonly string[]): RenderedObject => {
      const { object } = definition(SIZE);
      const spec = object['spec'] as { readonly versions: readonly object[] };
      const versions = names.map((name, index) => {
        return { ...spec.versions[0], name, storage: index === names.length - 1 };
      });
      return plain({ ...object, spec: { ...spec, versions } });
    };
    const one = objectsRelease([versioned(['v1']), gadget(1)], { version: '4.0.0' });
    await changeCluster(target, { from: none, to: generation(1, one) });
    const before = await ours();
    const newer = plain({ ...gadget(2).object, apiVersion: 'demo.example/v2' });
    const two = objectsRelease(
      [versioned(['v1', 'v2']), newer, hook('after', 'post-upgrade', 'exit 1')],
      { version: '4.1.0' },
    );
    const failure = await failureOf(one, two);
    expect(failure.code).toBe('gate-failed');
    expect(await ours()).toEqual(before);
    const { status } = JSON.parse(
      await cluster.kubectl('get', 'crd', 'gadgets.demo.example', '--output=json'),
    );
    expect(status.storedVersions).toEqual(['v1']);
    await changeCluster(target, {
      ...{ intent: 'uninstall', from: generation(1, one), to: generationOf(2) },
    });
    await cluster.kubectl('delete', 'crd', 'gadgets.demo.example');
  });
});
