import { describe, expect, it } from 'vitest';
import type { Bundle } from '../../../../src/format/bundle.ts';
import type { Constraint } from '../../../../src/format/plan.ts';
import type { RenderedObject } from '../../../../src/format/rendered-objects.ts';
import { ObjectApi } from '../../../../src/target/kubernetes/api/object-api.ts';
import type { ClusterConstraintInput } from '../../../../src/target/kubernetes/constraints/constraint.ts';
import {
  objectOwners,
  objectPlaces,
  objectPowers,
} from '../../../../src/target/kubernetes/constraints/objects.ts';
import { clusterWorkload } from '../../../../src/target/kubernetes/workload.ts';
import { objectsRelease, plain } from '../../../support/objects-release.ts';
import { clusterSite, generationOf } from '../rendered.ts';

const KINDS: Readonly<Record<string, readonly (readonly [kind: string, namespaced: boolean])[]>> = {
  '/api/v1': [
    ['ConfigMap', true],
    ['Namespace', false],
    ['Secret', true],
  ],
  '/apis/batch/v1': [['Job', true]],
  '/apis/apiextensions.k8s.io/v1': [['CustomResourceDefinition', false]],
};

interface Given {
  readonly adopt?: true;
  /** What the cluster has at every place of the release. */
  readonly there?: { readonly labels?: object; readonly annotations?: object };
  readonly clusterScoped?: false;
  readonly cluster?: NonNullable<Bundle['cluster']>;
}

const site = clusterWorkload(
  objectsRelease([plain({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } })]).release,
)?.site;

/** What a plan finds about a release with these objects. */
async function constraintsOf(
  objects: readonly RenderedObject[],
  { adopt, there, clusterScoped, cluster }: Given = {},
): Promise<Constraint[]> {
  const { release, bundle } = objectsRelease(objects, {
    ...(adopt === undefined ? {} : { adopt }),
    ...(cluster === undefined ? {} : { cluster }),
  });
  const send = async (_: string, { path }: { readonly path: string }) => {
    const kinds = KINDS[path];
    if (kinds !== undefined) {
      const resources = kinds.map(([kind, namespaced]) => {
        return { kind, namespaced, name: `${kind.toLowerCase()}s` };
      });
      return { object: { resources } };
    }
    if (there === undefined) return { failure: { status: 404, message: 'not found' } };
    return { object: { metadata: there } };
  };
  const input = {
    change: {
      ...{ intent: 'install', from: generationOf(0), to: generationOf(1, release) },
      bundles: new Map([[release.bundle, bundle]]),
    },
    settings: clusterSite(clusterScoped === undefined ? {} : { clusterScoped }),
    api: new ObjectApi({ send } as never),
    signal: new AbortController().signal,
  } as unknown as ClusterConstraintInput;
  const rules = [objectOwners, objectPlaces, objectPowers];
  return (await Promise.all(rules.map((rule) => rule(input)))).flat();
}

/** Whether a release with these objects satisfies each rule. */
async function judged(
  objects: readonly RenderedObject[],
  given: Given = {},
): Promise<Record<string, boolean>> {
  const constraints = await constraintsOf(objects, given);
  return Object.fromEntries(constraints.map(({ rule, satisfied }) => [rule, satisfied]));
}

const inNamespace = (namespace?: string): RenderedObject =>
  plain({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', ...(namespace === undefined ? {} : { namespace }) },
  });
const namespace = (name: string): RenderedObject =>
  plain({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const definition = plain({
  ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
  metadata: { name: 'gadgets.demo.example' },
});
const secret = plain({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' } });
const hook = plain(
  { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'a' } },
  { hook: { events: ['pre-install'], weight: 0 } },
);

describe('when an object exists already', () => {
  const of = (release: string, owner = site): Given['there'] => ({
    labels: { 'stowage.dev/site': owner, 'stowage.dev/release': release },
  });
  const helm = { annotations: { 'meta.helm.sh/release-name': 'before' } };
  const hookOfHelm = { annotations: { 'helm.sh/hook': 'pre-install' } };
  it.each<[what: string, RenderedObject, Given['there'], plain: boolean, adopted: boolean]>([
    ['an object of this release', inNamespace(), of('gear'), true, true],
    ['an object of another release of this site', inNamespace(), of('other'), false, false],
    ['an object of another site', inNamespace(), of('gear', 'ffffffff'), false, false],
    ['an object of Helm', inNamespace(), helm, false, true],
    ['a secret of Helm, whose content the site would have to keep', secret, helm, false, false],
    ['a secret of this release', secret, of('gear'), true, true],
    ['a definition of another release of this site', definition, of('other'), true, true],
    ['a definition of another site', definition, of('gear', 'ffffffff'), false, true],
    ['a namespace of somebody', namespace('more'), {}, false, true],
    ['a namespace that every cluster has', namespace('kube-system'), {}, false, false],
    ['a hook that Helm left', hook, hookOfHelm, false, true],
    ['an object of somebody with the name of a hook', hook, helm, false, false],
  ])('judges %s, without and with adopt', async (_, object, there, without, adopted) => {
    const given = there === undefined ? {} : { there };
    expect((await judged([object], given))['object-owner']).toBe(without);
    expect((await judged([object], { ...given, adopt: true }))['object-owner']).toBe(adopted);
  });
});

describe('when objects are outside of the namespace of the release', () => {
  it.each<[what: string, objects: readonly RenderedObject[], satisfied: boolean]>([
    ['an object without a namespace', [inNamespace()], true],
    ['one in that of the release', [inNamespace('stowage-gear')], true],
    ['one in another', [inNamespace('other')], false],
    ['one in another that the release makes', [namespace('other'), inNamespace('other')], true],
    [
      'one in kube-system, which no release makes',
      [namespace('kube-system'), inNamespace('kube-system')],
      false,
    ],
  ])('judges %s', async (_, objects, satisfied) => {
    expect((await judged(objects))['object-namespace']).toBe(satisfied);
  });

  it.each<[kind: string, object: RenderedObject, satisfied: boolean]>([
    ['a namespace', namespace('more'), false],
    ['a definition', definition, false],
    ['a ConfigMap', inNamespace(), true],
  ])('refuses %s where the site allows none in the whole cluster', async (_, object, satisfied) => {
    expect((await judged([object], { clusterScoped: false }))['cluster-scoped']).toBe(satisfied);
    expect(await judged([object])).not.toHaveProperty('cluster-scoped');
  });
});

describe('when a person reads what a release may do', () => {
  const powers = async (given: Given = {}): Promise<string[]> => {
    const found = await constraintsOf([namespace('more')], given);
    return found.flatMap((each) => (each.rule === 'powers' ? [each.found] : []));
  };

  it('names objects of the whole cluster, and a weaker PodSecurity of the namespace', async () => {
    expect(await powers()).toEqual([
      'cluster: Namespace more; namespace: more: PodSecurity of the cluster for its pods',
    ]);
    expect(await powers({ cluster: { podSecurity: 'privileged' } })).toEqual([
      'PodSecurity privileged instead of restricted',
      'cluster: Namespace more; namespace: more: PodSecurity of the cluster for its pods',
    ]);
  });
});
