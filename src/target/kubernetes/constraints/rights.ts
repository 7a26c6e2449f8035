import { fieldsOf, listOf } from '../../../core/json.ts';
import { counted } from '../../../core/text.ts';
import type { KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { KubernetesSite } from '../../../format/kubernetes-site.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, changesBetween } from '../../change.ts';
import { groupOf } from '../api/kinds.ts';
import { apiGroup, definedResources } from '../api/object-api.ts';
import { type Right, reviewRights, rightText } from '../api/review.ts';
import { isDefinition } from '../objects/sets.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';
import { type ReleaseSurvey, surveyObjects } from './object-survey.ts';

/** What the rights of an account depend on. */
export interface RightsNeeds {
  /** The namespace that the owner of the cluster made; absent if each release gets its own. */
  readonly namespace?: string;
  /** Whether pods read the store of this host through a volume. */
  readonly local: boolean;
  /** Whether a Job fills the volume with the content of a release. */
  readonly fill: boolean;
  /** Whether Stowage makes the claim of that volume. */
  readonly claims: boolean;
  /** Whether a gate runs a program in a container. */
  readonly exec: boolean;
  /** Whether a service has a disruption budget. */
  readonly budgets: boolean;
  /** Whether a service spans several nodes. */
  readonly groups: boolean;
}

/** Rights that belong together, as a rule of a Role has them. */
export interface Grant {
  /** What they are for, in a comment of the Role. */
  readonly purpose: string;
  readonly group: string;
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  /** For the whole cluster, because the resource is not in a namespace or in one of others. */
  readonly clusterWide?: true;
  /** The only objects that they are for. */
  readonly names?: readonly string[];
  /** Without it a release runs all the same, but a plan and `stowage doctor` know less. */
  readonly optional?: true;
  readonly when?: (needs: RightsNeeds) => boolean;
}

/** Server-side apply creates by `create` and changes by `patch`. */
const MANAGE = ['get', 'create', 'patch', 'delete'] as const;
const OBJECTS = 'what a release consists of';
const STATE = 'whether it runs, and why not';
const GATE = 'the gate asks the model through a port-forward, or by a program in its container';
const OWN_NAMESPACE = 'each release gets a namespace of its own';
const LOCAL = 'pods read the store of this host';
const FILL = 'a Job copies the content of a release to its volume';
const PROBES =
  'stowage doctor and plans try what the cluster really does, in pods that end at once';
const ROOM = 'plans know what is free, and receipts name the nodes';
const EXISTENCE = 'plans check that what site.yaml names exists';

/** Every right that Stowage uses: the only table of them. */
const grants: readonly Grant[] = [
  ...[
    { group: '', resources: ['configmaps', 'secrets', 'services'] },
    { group: 'apps', resources: ['deployments'] },
    { group: 'networking.k8s.io', resources: ['networkpolicies'] },
  ].map((each): Grant => ({ ...each, purpose: OBJECTS, verbs: MANAGE })),
  {
    ...{ purpose: OBJECTS, group: 'policy', resources: ['poddisruptionbudgets'], verbs: MANAGE },
    when: ({ budgets }) => budgets,
  },
  {
    ...{ purpose: OBJECTS, group: groupOf('LeaderWorkerSet'), verbs: MANAGE },
    ...{ resources: ['leaderworkersets'], when: ({ groups }: RightsNeeds) => groups },
  },
  {
    ...{ purpose: LOCAL, group: '', resources: ['persistentvolumeclaims'], verbs: MANAGE },
    when: ({ local }) => local,
  },
  {
    ...{ purpose: FILL, group: 'batch', resources: ['jobs'], verbs: MANAGE },
    when: ({ fill }) => fill,
  },
  {
    ...{ purpose: FILL, group: '', resources: ['persistentvolumeclaims'], verbs: MANAGE },
    when: ({ claims }) => claims,
  },
  { purpose: STATE, group: '', resources: ['pods'], verbs: ['get', 'list'] },
  { purpose: STATE, group: '', resources: ['events'], verbs: ['list'] },
  { purpose: STATE, group: '', resources: ['pods/log'], verbs: ['get'] },
  // A port-forward through a WebSocket is a GET, and needs `create` as well since 1.35.
  { purpose: GATE, group: '', resources: ['pods/portforward'], verbs: ['get', 'create'] },
  {
    ...{ purpose: GATE, group: '', resources: ['pods/exec'], verbs: ['get', 'create'] },
    when: ({ exec }) => exec,
  },
  {
    ...{ purpose: PROBES, group: '', resources: ['pods'], verbs: ['create', 'delete'] },
    optional: true,
  },
  {
    ...{ purpose: EXISTENCE, group: '', resources: ['resourcequotas'], verbs: ['list'] },
    optional: true,
  },
  {
    ...{ purpose: EXISTENCE, group: '', resources: ['persistentvolumeclaims'], verbs: ['get'] },
    ...{ optional: true, when: ({ local, claims }: RightsNeeds) => !local && !claims },
  },
  {
    ...{ purpose: OWN_NAMESPACE, group: '', resources: ['namespaces'], verbs: MANAGE },
    ...{ clusterWide: true, when: ({ namespace }: RightsNeeds) => namespace === undefined },
  },
  {
    ...{ purpose: LOCAL, group: '', resources: ['persistentvolumes'], verbs: MANAGE },
    ...{ clusterWide: true, when: ({ local }: RightsNeeds) => local },
  },
  {
    ...{ purpose: ROOM, group: '', resources: ['nodes'], verbs: ['list'] },
    ...{ clusterWide: true, optional: true },
  },
  {
    ...{ purpose: ROOM, group: '', resources: ['pods'], verbs: ['list'] },
    ...{ clusterWide: true, optional: true },
  },
  {
    ...{ purpose: ROOM, group: '', resources: ['namespaces'], verbs: ['get'] },
    ...{ names: ['kube-system'], clusterWide: true, optional: true },
    when: ({ namespace }) => namespace !== undefined,
  },
  ...[
    { group: 'storage.k8s.io', resources: ['storageclasses'] },
    { group: 'node.k8s.io', resources: ['runtimeclasses'] },
    { group: 'scheduling.k8s.io', resources: ['priorityclasses'] },
  ].map(
    (each): Grant => ({
      ...{ ...each, purpose: EXISTENCE, verbs: ['get', 'list'] },
      ...{ clusterWide: true, optional: true },
    }),
  ),
];

/** The grants for these needs. */
export function grantsFor(needs: RightsNeeds): Grant[] {
  return grants.filter(({ when }) => when?.(needs) !== false);
}

/** What a site needs for any release. @param groups whether services may span several nodes */
export function needsOfSite(site: KubernetesSite, groups: boolean): RightsNeeds {
  const { namespace, weights, fill, storageClass } = site;
  const claims = storageClass !== undefined;
  const needs = {
    ...{ local: weights === 'local', exec: true, budgets: true, groups },
    ...{ fill: fill !== undefined || claims, claims },
  };
  return namespace === undefined ? needs : { ...needs, namespace };
}

/** The rights of grants. @param within the namespace of those that are not for the whole cluster; absent for every namespace */
export function rightsOf(some: readonly Grant[], within: string | undefined): Right[] {
  return some.flatMap(({ group, resources, verbs, clusterWide }) =>
    resources.flatMap((resource) =>
      verbs.map((verb) => ({
        ...{ verb, group, resource },
        ...(clusterWide === true || within === undefined ? {} : { namespace: within }),
      })),
    ),
  );
}

/** What an account needs to run a release. */
export function rightsFor(workload: KubernetesWorkload): Right[] {
  const { namespace, ownsNamespace, objects, services } = workload;
  const needs = {
    ...(ownsNamespace ? {} : { namespace }),
    local: objects.some(({ kind }) => kind === 'PersistentVolume'),
    fill: workload.fill !== undefined,
    claims:
      workload.fill !== undefined && objects.some(({ kind }) => kind === 'PersistentVolumeClaim'),
    exec: services.some(({ health }) => health?.command !== undefined),
    budgets: objects.some(({ kind }) => kind === 'PodDisruptionBudget'),
    groups: services.some(({ deployment }) => deployment.kind === 'LeaderWorkerSet'),
  };
  const required = grantsFor(needs).filter(({ optional }) => optional !== true);
  return rightsOf(required, namespace);
}

/**
 * What an account needs for the charts and objects of a release. Definitions are never deleted by an uninstall. An adopted
 * object is restored by `update`.
 */
function objectRights({ objects }: ReleaseSurvey): Right[] {
  return objects.flatMap((each) => {
    const { resource, placed, object, set } = each;
    if (resource === undefined) return [];
    const { apiVersion, plural } = resource;
    const own = isDefinition(object) ? MANAGE.filter((verb) => verb !== 'delete') : MANAGE;
    const givesBack = set.adopt === true || isDefinition(object);
    const verbs = givesBack ? [...own, 'update'] : own;
    return [
      ...verbs.map((verb) => ({
        ...{ verb, group: apiGroup(apiVersion), resource: plural },
        ...(placed?.namespace === undefined ? {} : { namespace: placed.namespace }),
      })),
      ...versionRights(each),
    ];
  });
}

/** An undo to a definition without a version writes every object again, and what the definition says of its versions. */
function versionRights({ object, found }: ReleaseSurvey['objects'][number]): Right[] {
  if (found === undefined || !isDefinition(object)) return [];
  const versions = (of: object): string =>
    listOf(fieldsOf(fieldsOf(of)['spec'])['versions'])
      .map(({ name }) => String(name))
      .toSorted()
      .join();
  if (versions(found) === versions(object)) return [];
  const group = apiGroup(object.apiVersion);
  return [
    { verb: 'patch', group, resource: 'customresourcedefinitions/status' },
    ...definedResources([object]).flatMap(({ apiVersion, plural }) =>
      ['list', 'update'].map((verb) => ({ verb, group: apiGroup(apiVersion), resource: plural })),
    ),
  ];
}

/** The account of the kubeconfig may do what the change needs; each missing right is named. */
export async function rights(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { change, cluster, signal } = input;
  const { leaving } = changesBetween(change.from, change.to);
  const releases = [...arrivals(change).map(({ release }) => release), ...leaving];
  const needed = [
    ...releases.flatMap((release) => {
      const workload = clusterWorkload(release);
      return workload === undefined ? [] : rightsFor(workload);
    }),
    ...(await surveyObjects(input)).flatMap(objectRights),
  ];
  if (needed.length === 0) return [];
  const { allowed, denied } = await reviewRights(cluster, needed, signal);
  return [
    {
      rule: 'rights',
      satisfied: denied.length === 0,
      needs: 'an account that may do what the change needs in the cluster',
      found:
        denied.length === 0
          ? counted(allowed.length, 'right')
          : `it may not ${denied.map(rightText).join(', ')}`,
    },
  ];
}
