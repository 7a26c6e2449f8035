import { describe, expect, it } from 'vitest';
import { generationSchema } from '../../../../src/format/plan.ts';
import type { RenderedObject } from '../../../../src/format/rendered-objects.ts';
import type { Change } from '../../../../src/target/change.ts';
import { severalAtOnce } from '../../../../src/target/kubernetes/api/several-at-once.ts';
import { parentObject } from '../../../../src/target/kubernetes/namespace.ts';
import { adoptedFields } from '../../../../src/target/kubernetes/objects/adopt.ts';
import { isHalfRestored } from '../../../../src/target/kubernetes/objects/restore-original.ts';
import { hooksOf, lastingHooks } from '../../../../src/target/kubernetes/objects/set-hooks.ts';
import { inInstallOrder, phasesOf } from '../../../../src/target/kubernetes/objects/sets.ts';
import { writtenIn } from '../../../../src/target/kubernetes/objects/stored-versions.ts';
import { kubernetesSteps } from '../../../../src/target/kubernetes/steps.ts';
import { clusterWorkload } from '../../../../src/target/kubernetes/workload.ts';
import type { TargetStep } from '../../../../src/target/target.ts';
import { expectCode } from '../../../support/error.ts';
import { type ObjectsRelease, objectsRelease, plain } from '../../../support/objects-release.ts';
import { clusterSite, generationOf } from '../rendered.ts';

const object = (kind: string, name: string, apiVersion = 'v1'): RenderedObject =>
  plain({ apiVersion, kind, metadata: { name } });
const definition = object('CustomResourceDefinition', 'a.b', 'apiextensions.k8s.io/v1');
const job = (
  name: string,
  events: readonly string[],
  weight = 0,
  annotations = {},
): RenderedObject =>
  plain(
    { apiVersion: 'batch/v1', kind: 'Job', metadata: { name, annotations } },
    { hook: { events: events as never, weight } },
  );
const setIn = ({ release }: ObjectsRelease) => {
  const [set] = clusterWorkload(release)?.sets ?? [];
  if (set === undefined) throw new Error('no set');
  return set;
};
const told = (steps: readonly TargetStep[]): string[] =>
  steps.map(({ action, side, undo = '-', undoSide }) =>
    [action, side, undo, ...(undoSide === undefined ? [] : [undoSide])].join(' '),
  );
const stepsOf = (
  from: readonly ObjectsRelease[],
  to: readonly ObjectsRelease[],
  more: Partial<Change> = {},
) =>
  kubernetesSteps({
    ...{ intent: 'install', bundles: new Map() },
    from: generationOf(1, ...from.map(({ release }) => release)),
    to: generationOf(2, ...to.map(({ release }) => release)),
    ...more,
  });

describe('when a set is rendered', () => {
  const release = objectsRelease([object('Deployment', 'a', 'apps/v1'), definition]);
  const [crd, deployment] = setIn(release).objects;

  it('labels objects and not their pods, and never offers a definition to be pruned', () => {
    expect(deployment?.metadata.labels).toMatchObject({
      'app.kubernetes.io/managed-by': 'stowage',
      'stowage.dev/release': 'gear',
      'stowage.dev/service': 'things',
    });
    expect(deployment?.metadata.labels).toHaveProperty(['applyset.kubernetes.io/part-of']);
    expect(Object.keys(crd?.metadata.labels ?? {})).toEqual([
      'app.kubernetes.io/managed-by',
      'stowage.dev/site',
    ]);
    expect(deployment?.metadata.labels).not.toHaveProperty(['app.kubernetes.io/instance']);
  });

  it('names its kinds and namespaces in the parent of the ApplySet', () => {
    const other = plain({
      apiVersion: 'demo.example/v1',
      kind: 'Gadget',
      metadata: { name: 'a', namespace: 'more' },
    });
    const workload = clusterWorkload(objectsRelease([other, object('Namespace', 'more')]).release);
    if (workload === undefined) throw new Error('no workload');
    const { annotations = {} } = parentObject(workload).metadata;
    expect(annotations['applyset.kubernetes.io/contains-group-kinds']).toContain(
      'Gadget.demo.example',
    );
    expect(annotations['applyset.kubernetes.io/additional-namespaces']).toBe('more');
  });

  it('has what its objects may do at this site, and what only its bundle states', () => {
    const role = plain(
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: { name: 'a-${release.namespace}' },
      },
      { filled: [{ path: ['metadata', 'name'], as: 'text' }] },
    );
    const stated = ['cluster: ClusterRole a-${release.namespace}', 'later: of a newer program'];
    expect(setIn(objectsRelease([role], { powers: stated })).powers).toEqual([
      'cluster: ClusterRole a-stowage-gear',
      'later: of a newer program',
    ]);
    expect(setIn(objectsRelease([role])).powers).toEqual(['cluster: ClusterRole a-stowage-gear']);
  });

  it('refuses an object twice, in whatever version', () => {
    const twice = [
      object('Gadget', 'a', 'demo.example/v1'),
      object('Gadget', 'a', 'demo.example/v2'),
    ];
    expectCode(() => objectsRelease(twice), 'document-invalid');
  });

  it('leaves out the namespace that the site makes', () => {
    const own = object('Namespace', 'stowage-gear');
    const { objects } = setIn(objectsRelease([own, object('Namespace', 'more')]));
    expect(objects.map(({ metadata }) => metadata.name)).toEqual(['more']);
  });

  it('makes a generation of the version that has sets', () => {
    expect(generationSchema([release.release])).toBe('stowage/generation/v3');
    expect(generationSchema([])).toBe('stowage/generation/v2');
  });

  it('gives pods of the release the pull secret, and no other pods', () => {
    const named = (...names: readonly string[]) => names.map((name) => ({ name }));
    const pod = { containers: [{ name: 'a', image: 'x' }], imagePullSecrets: named('own') };
    const workloads = ['stowage-gear', 'other'].map((namespace) =>
      plain({
        ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a', namespace } },
        spec: { template: { spec: pod } },
      }),
    );
    const settings = clusterSite({ images: { registry: 'r.example', pullSecret: 'nodes' } });
    const rendered = setIn(objectsRelease(workloads, { settings })).objects;
    const secrets = rendered.map(
      (each) => JSON.stringify(each).match(/"imagePullSecrets":(\[.*?\])/)?.[1],
    );
    expect(secrets).toEqual(['[{"name":"own"},{"name":"nodes"}]', '[{"name":"own"}]']);
    const [workload] = workloads;
    const twice = JSON.parse(JSON.stringify(workload).replace('"own"', '"nodes"'));
    expect(JSON.stringify(setIn(objectsRelease([twice], { settings })).objects)).toContain(
      '"imagePullSecrets":[{"name":"nodes"}]',
    );
  });
});

describe('when objects are put in order', () => {
  it('has namespaces and definitions first, custom resources after workloads, and webhooks last', () => {
    const kinds = [
      'ValidatingWebhookConfiguration',
      'Gadget',
      'Deployment',
      'CustomResourceDefinition',
      'ConfigMap',
      'Namespace',
    ];
    const all = kinds.map((kind) => ({
      apiVersion: kind === 'CustomResourceDefinition' ? 'apiextensions.k8s.io/v1' : 'v1',
      kind,
      metadata: { name: 'a' },
    }));
    expect(inInstallOrder(all).map(({ kind }) => kind)).toEqual(kinds.toReversed());
    const { namespaces, definitions, rest, webhooks } = phasesOf({ objects: all });
    expect([namespaces, definitions, webhooks].map(([first]) => first?.kind)).toEqual([
      'Namespace',
      'CustomResourceDefinition',
      'ValidatingWebhookConfiguration',
    ]);
    expect(rest.map(({ kind }) => kind)).toEqual(['ConfigMap', 'Deployment', 'Gadget']);
  });

  it('runs hooks by weight, then by kind and name', () => {
    const account = plain(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'z' } },
      { hook: { events: ['pre-install'], weight: 0 } },
    );
    const hooks = [
      job('b', ['pre-install']),
      job('late', ['pre-install'], 5),
      job('a', ['pre-install']),
      account,
      job('first', ['pre-install'], -5),
      job('other', ['post-install']),
    ];
    const set = setIn(objectsRelease([definition, ...hooks]));
    expect(hooksOf(set, 'pre-install').map(({ object: { metadata } }) => metadata.name)).toEqual([
      'first',
      'z',
      'a',
      'b',
      'late',
    ]);
    expect(set.objects.map(({ kind }) => kind)).toEqual(['CustomResourceDefinition']);
    expect(lastingHooks(set).map(({ kind }) => kind)).toEqual(['ServiceAccount']);
  });
});

describe('when a release with a set changes', () => {
  const one = objectsRelease([definition, object('ConfigMap', 'a'), job('check', ['test'])]);
  const two = objectsRelease([definition, object('ConfigMap', 'b')], { version: '1.1.0' });
  const same = objectsRelease([definition, object('ConfigMap', 'a'), job('check', ['test'])], {
    version: '1.1.0',
  });

  it('applies it, and removes it when that fails', () => {
    const { start, expose, retire } = stepsOf([], [one]);
    expect(told(start)).toEqual(['apply-set to remove-set']);
    expect(told(expose)).toEqual(['test-set to -']);
    expect(retire).toEqual([]);
  });

  it('restores the set of the generation before when an upgrade fails, and prunes only after the switch', () => {
    const { start, retire } = stepsOf([one], [two]);
    expect(told(start)).toEqual(['apply-set to restore-set from']);
    expect(told(retire)).toContain('prune-set from -');
  });

  it('runs no hooks of a set that did not change', () => {
    const { start, retire } = stepsOf([one], [same]);
    expect(told(start)).toEqual(['repair-set to -']);
    expect(told(retire)).not.toContain('prune-set from -');
  });

  it('runs no hooks when it returns to an earlier generation', () => {
    const { start } = stepsOf([two], [one], { intent: 'rollback' });
    expect(told(start)).toEqual(['return-set to restore-set from']);
    expect(told(stepsOf([], [one], { intent: 'rollback' }).start)).toEqual([
      'apply-set to remove-set',
    ]);
  });

  it('repairs it without an undo', () => {
    const repairs = [{ release: 'gear', service: 'things', running: false, reason: 'x' }];
    expect(told(stepsOf([one], [one], { repairs }).start)).toEqual(['repair-set to -']);
  });

  it('uninstalls it before everything else that the release has', () => {
    const { clear } = stepsOf([one], [], { intent: 'uninstall' });
    expect(told(clear)).toEqual([
      'uninstall-set from restore-set',
      'remove-objects from apply-objects',
    ]);
    expect(clear[0]?.reason).toMatch(/definitions .* stay/);
  });

  it('says what stays, and what goes with a namespace', () => {
    const keep = plain({
      ...{ apiVersion: 'v1', kind: 'ConfigMap' },
      metadata: { name: 'a', annotations: { 'helm.sh/resource-policy': 'keep' } },
    });
    const kept = objectsRelease([keep, object('Namespace', 'more')]);
    const { clear, close } = stepsOf([kept], [], { intent: 'uninstall' });
    expect(clear[0]?.reason).toMatch(/1 of its objects stay.*namespaces are deleted with/);
    expect(close[0]?.reason).toMatch(/^the namespace stays/);
    const others = stepsOf([one], [], { intent: 'uninstall' });
    expect(others.close[0]?.reason).toMatch(/^the namespace is deleted with everything in it/);
  });
});

describe('when fields of another program are adopted', () => {
  const entry = (manager: string, fields: object, more: object = {}): object => ({
    ...{ manager, operation: 'Update', apiVersion: 'v1', time: 't', fieldsV1: fields },
    ...more,
  });

  it('has those of Helm and kubectl as applied, and leaves the others alone', () => {
    const others = [
      entry('kube-controller-manager', { 'f:status': {} }),
      entry('cert-manager', { 'f:data': { 'f:ca': {} } }),
      entry('helm-controller', { 'f:data': { 'f:flux': {} } }),
    ];
    const managed = adoptedFields([
      entry('helm', { 'f:data': { 'f:a': {} } }, { operation: 'Apply' }),
      ...others,
      entry('kubectl-edit', { 'f:data': { 'f:b': {} } }),
      entry('helm', { 'f:spec': {} }, { subresource: 'scale' }),
    ] as never);
    expect(managed?.map(({ manager }) => manager)).toEqual([
      'kube-controller-manager',
      'cert-manager',
      'helm-controller',
      'helm',
      'stowage',
    ]);
    expect(managed?.at(-1)).toMatchObject({
      operation: 'Apply',
      fieldsV1: { 'f:data': { 'f:a': {}, 'f:b': {} } },
    });
  });

  it('names no version that a definition does not have, and each manager once', () => {
    const v2 = { apiVersion: 'demo.example/v2' };
    const v1 = { apiVersion: 'demo.example/v1' };
    const written = writtenIn(
      [entry('a', { 'f:x': {} }, v1), entry('a', { 'f:y': {} }, v2), entry('b', {}, v2)] as never,
      'demo.example/v1',
      new Set(['v1']),
    );
    expect(written).toMatchObject([
      { manager: 'a', ...v1, fieldsV1: { 'f:x': {}, 'f:y': {} } },
      { manager: 'b', ...v1 },
    ]);
  });

  it('knows an object whose return was interrupted from one that was changed since', () => {
    const before = { metadata: { name: 'a', uid: '1', managedFields: [entry('helm', {})] }, a: 1 };
    const now = (manager: string, more: object = {}) => ({
      ...{ metadata: { name: 'a', uid: '1', managedFields: [entry(manager, {})] }, a: 1 },
      ...more,
    });
    expect(isHalfRestored(now('stowage'), before)).toBe(true);
    expect(isHalfRestored(now('helm'), before)).toBe(false);
    expect(isHalfRestored(now('stowage', { a: 2 }), before)).toBe(false);
  });

  it('changes nothing where there are none', () => {
    expect(adoptedFields([entry('cert-manager', {})] as never)).toBeUndefined();
  });
});

describe('when several objects are worked on at once', () => {
  it('has the results in their order', async () => {
    const all = Array.from({ length: 20 }, (_, index) => index);
    const late = async (each: number): Promise<number> => {
      if (each % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
      return each * 2;
    };
    expect(await severalAtOnce(all, late)).toEqual(all.map((each) => each * 2));
  });

  it('begins nothing after a failure, and has nothing running when it reports it', async () => {
    const all = Array.from({ length: 100 }, (_, index) => index);
    const begun: number[] = [];
    let running = 0;
    const work = async (each: number): Promise<void> => {
      begun.push(each);
      running += 1;
      await new Promise((resolve) => setImmediate(resolve));
      if (each !== 0) await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (each === 0) throw new Error('refused');
    };
    await expect(severalAtOnce(all, work)).rejects.toThrow('refused');
    expect(running).toBe(0);
    expect(begun.length).toBeLessThan(all.length / 2);
  });
});
