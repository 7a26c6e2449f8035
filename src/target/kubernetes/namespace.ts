import { StowageError } from '../../core/error.ts';
import { fieldsOf, listOf, textOf, textsOf } from '../../core/json.ts';
import { oneLine } from '../../core/text.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../format/kubernetes.ts';
import { awaitGone, notRemoved } from './api/await-gone.ts';
import { type Cluster, type Found, objectText } from './api/cluster.ts';
import { groupOf, type Kind } from './api/kinds.ts';
import { apiGroup } from './api/object-api.ts';
import { applySetId, labels, MANAGER, parentName, releaseLabels } from './labels.ts';
import { everyObject, isDefinition, setsOf } from './objects/sets.ts';
import { placeOf } from './workload.ts';

/** How long a finalizer may take, such as that of a load balancer. */
const FINALIZERS_MS = 30_000;

/** The id of the site that an object belongs to. */
export function ownerOf(found: Found): string | undefined {
  return textOf(fieldsOf(fieldsOf(found['metadata'])['labels'])[labels.site]);
}

/**
 * Deletes an object of this site. Nothing of another owner is removed because its name is ours.
 * @throws StowageError `engine-failed` when a finalizer holds the object
 */
export async function removeOurs(
  cluster: Cluster,
  { site }: KubernetesWorkload,
  object: KubernetesObject,
  signal: AbortSignal,
): Promise<void> {
  const place = placeOf(object);
  const found = await cluster.get(place, signal);
  if (found === undefined || ownerOf(found) !== site) return;
  await cluster.remove(place, signal);
  if (finalizersOf(found).length === 0) return;
  const read = (): Promise<Found | undefined> => cluster.get(place, signal);
  const stuck = (left: Found): StowageError =>
    notRemoved(objectText(object), {
      expected: `no finalizer after ${FINALIZERS_MS / 1000} s`,
      found: finalizersOf(left).join(', '),
    });
  await awaitGone({ read, deleted: found, limitMs: FINALIZERS_MS, stuck }, signal);
}

/** What must agree before the server deletes an object, except that no pod uses a volume anymore. */
function finalizersOf(found: Found): string[] {
  const all = textsOf(fieldsOf(found['metadata'])['finalizers']);
  return all.filter((each) => !/^kubernetes\.io\/pvc?-protection$/.test(each));
}

const GONE_MS = 120_000;
const MAX_TEXT = 300;
/** What a release can consist of in its namespace. KEP-3659: an ApplySet names every kind it may have. */
const MEMBERS: readonly Kind[] = [
  'ConfigMap',
  'Deployment',
  'Job',
  'NetworkPolicy',
  'PersistentVolumeClaim',
  'PodDisruptionBudget',
  'Secret',
  'Service',
];

/**
 * Makes the namespace of a release, if it has one of its own, and the parent of its ApplySet.
 * @param other the release in the other generation, whose objects are in the namespace at the same time
 * @throws StowageError `engine-failed` when the namespace belongs to another owner or is being deleted
 */
export async function openNamespace(
  cluster: Cluster,
  workload: KubernetesWorkload,
  signal: AbortSignal,
  other?: KubernetesWorkload,
): Promise<void> {
  if (workload.ownsNamespace) {
    const object = namespaceObject(workload);
    const found = await cluster.get(placeOf(object), signal);
    if (found !== undefined && ownerOf(found) !== workload.site) throw foreign(workload, found);
    await cluster.apply(object, signal);
  }
  await cluster.apply(parentObject(workload, other), signal);
}

/**
 * Removes what {@link openNamespace} made. A namespace goes with everything in it; one of another owner stays.
 * @param options `keep` for a namespace with an object that its chart leaves behind
 */
export async function closeNamespace(
  cluster: Cluster,
  workload: KubernetesWorkload,
  signal: AbortSignal,
  { keep = false }: { readonly keep?: boolean } = {},
): Promise<void> {
  const parent = placeOf(parentObject(workload));
  if (!workload.ownsNamespace || keep) return cluster.remove(parent, signal);
  const place = placeOf(namespaceObject(workload));
  const found = await cluster.get(place, signal);
  if (found === undefined || ownerOf(found) !== workload.site) return;
  await cluster.remove(parent, signal);
  await cluster.remove(place, signal);
  const read = (): Promise<Found | undefined> => cluster.get(place, signal);
  await awaitGone({ read, limitMs: GONE_MS, stuck }, signal);
}

export function namespaceObject(workload: KubernetesWorkload): KubernetesObject {
  const { [labels.partOf]: _, ...own } = releaseLabels(workload);
  return restrictedNamespace(workload.namespace, own, workload.podSecurity);
}

/** A namespace whose pods must satisfy PodSecurity `restricted`, or a weaker standard that its release needs. */
export function restrictedNamespace(
  name: string,
  own: Readonly<Record<string, string>>,
  level: NonNullable<KubernetesWorkload['podSecurity']> | 'restricted' = 'restricted',
): KubernetesObject {
  const policy = 'pod-security.kubernetes.io';
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: {
        ...own,
        [`${policy}/enforce`]: level,
        [`${policy}/audit`]: level,
        [`${policy}/warn`]: level,
      },
    },
  };
}

/** KEP-3659: by it, kubectl and other tools find and prune what belongs to the release. */
export function parentObject(
  workload: KubernetesWorkload,
  other?: KubernetesWorkload,
): KubernetesObject {
  const { [labels.partOf]: _, ...own } = releaseLabels(workload);
  const its = [workload, ...(other === undefined ? [] : [other])]
    .flatMap(setsOf)
    .flatMap(everyObject)
    .filter((each) => !isDefinition(each));
  const namespaces = its.flatMap(({ metadata: { namespace } }) => namespace ?? []);
  const others = [...new Set(namespaces)].filter((each) => each !== workload.namespace).toSorted();
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: parentName(workload),
      namespace: workload.namespace,
      labels: { ...own, [labels.applySet]: applySetId(workload) },
      annotations: {
        'applyset.kubernetes.io/tooling': `${MANAGER}/v1`,
        'applyset.kubernetes.io/contains-group-kinds': [
          ...new Set([
            ...membersOf([workload, other]).map((kind) => groupKind(groupOf(kind), kind)),
            ...its.map(({ apiVersion, kind }) => groupKind(apiGroup(apiVersion), kind)),
          ]),
        ]
          .toSorted()
          .join(','),
        ...(others.length === 0
          ? {}
          : { 'applyset.kubernetes.io/additional-namespaces': others.join(',') }),
      },
    },
  };
}

/** Kinds that not every cluster has are named only where a release has an object of them. */
function membersOf(workloads: readonly (KubernetesWorkload | undefined)[]): Kind[] {
  const used = workloads.flatMap((each) =>
    (each?.services ?? []).map(({ deployment }) => deployment.kind as Kind),
  );
  return [...new Set([...MEMBERS, ...used])];
}

function groupKind(group: string, kind: string): string {
  return group === '' ? kind : `${kind}.${group}`;
}

/** Whether a namespace is being deleted. */
export function isTerminating(found: Found): boolean {
  return fieldsOf(found['status'])['phase'] === 'Terminating';
}

function foreign({ namespace, site }: KubernetesWorkload, found: Found): StowageError {
  const owner = ownerOf(found);
  return new StowageError('engine-failed', `namespace ${namespace} belongs to another owner`, {
    expected: `no namespace of this name, or one labeled ${labels.site}=${site}`,
    found: owner === undefined ? 'a namespace that Stowage did not make' : `site ${owner}`,
    hint: 'set kubernetes.namespace to a namespace that was made for this site, or another kubernetes.namespacePrefix, in site.yaml',
  });
}

/** What holds a namespace is in its conditions, such as an API of the cluster whose server is down: it may have objects there. */
function stuck(left: Found): StowageError {
  const namespace = textOf(fieldsOf(left['metadata'])['name']) ?? '';
  const reasons = listOf(fieldsOf(left['status'])['conditions'])
    .filter(({ status }) => status === 'True')
    .flatMap(({ message }) => textOf(message) ?? []);
  const found = ['a namespace that is still terminating', ...reasons].join(': ');
  return new StowageError('engine-failed', `namespace ${namespace} is not removed`, {
    expected: `no namespace ${namespace} after ${GONE_MS / 1000} s`,
    found: oneLine(found, MAX_TEXT),
    hint: `kubectl get namespace ${namespace} -o yaml names what holds it, such as a finalizer, or an API whose server is down`,
  });
}
