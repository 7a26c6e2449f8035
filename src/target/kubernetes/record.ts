import { digestOf } from '../../core/digest.ts';
import { canonicalBytes, fieldsOf, type Json, textOf } from '../../core/json.ts';
import type { ClusterRecord, RecordedNode, RecordedObject } from '../../format/cluster-record.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../format/kubernetes.ts';
import type { Generation } from '../../format/plan.ts';
import type { Cluster, Found, Named, Reader, Selection } from './api/cluster.ts';
import { isForbidden } from './api/failure.ts';
import type { Kind } from './api/kinds.ts';
import { ObjectApi } from './api/object-api.ts';
import { severalAtOnce } from './api/several-at-once.ts';
import { clusterUid } from './doctor/cluster-proof.ts';
import { nodeFacts } from './doctor/node-facts.ts';
import { labels } from './labels.ts';
import { namespaceObject, parentObject } from './namespace.ts';
import { liveObjects } from './objects/live-objects.ts';
import { setsOf } from './objects/sets.ts';
import { metadataOf, podsOf } from './pods.ts';
import { clusterWorkload, placeOf } from './workload.ts';

/** The kinds of which a site can have many objects. */
const KINDS = [
  'ConfigMap',
  'Deployment',
  'Namespace',
  'NetworkPolicy',
  'Pod',
  'Service',
] as const satisfies readonly Kind[];

/**
 * All objects of a site as they are now: one list of each kind by the site's label, in pages, instead of a request for each
 * object. A kind that the account may not list everywhere is read one object at a time.
 * @param namespace where the site has all its objects; absent for a site with several namespaces
 */
export async function siteInventory(
  cluster: Cluster,
  { site, namespace }: { readonly site: string; readonly namespace?: string },
  signal: AbortSignal,
): Promise<Reader> {
  const byKind = new Map<Kind, Map<string, Found>>();
  await Promise.all(
    KINDS.map(async (kind) => {
      const objects = new Map<string, Found>();
      const where = namespace === undefined ? {} : { namespace };
      try {
        for await (const found of cluster.list(
          { kind, ...where, labels: { [labels.site]: site } },
          signal,
        ))
          objects.set(textKey(found), found);
        byKind.set(kind, objects);
      } catch (error) {
        if (!isForbidden(error)) throw error;
      }
    }),
  );
  return {
    async get(named, by) {
      const found = byKind.get(named.kind)?.get(nameKey(named));
      // An object without our label has another owner, or lost it: only the server knows.
      return found ?? cluster.get(named, by);
    },
    async *list(selection, by) {
      const objects = byKind.get(selection.kind);
      if (objects === undefined || selection.fields !== undefined)
        yield* cluster.list(selection, by);
      else for (const found of objects.values()) if (isSelected(found, selection)) yield found;
    },
  };
}

function isSelected(found: Found, { namespace, labels: wanted = {} }: Selection): boolean {
  const metadata = fieldsOf(found['metadata']);
  const has = fieldsOf(metadata['labels']);
  return (
    (namespace === undefined || metadata['namespace'] === namespace) &&
    Object.entries(wanted).every(([key, value]) => has[key] === value)
  );
}

function textKey(found: Found): string {
  const { namespace, name } = fieldsOf(found['metadata']);
  return `${textOf(namespace) ?? ''}/${textOf(name) ?? ''}`;
}

function nameKey({ namespace = '', name }: Named): string {
  return `${namespace}/${name}`;
}

/** What a receipt says of the cluster: itself, the nodes that run pods of a generation, and its objects. */
export async function recordCluster(
  cluster: Cluster,
  { releases }: Generation,
  signal: AbortSignal,
): Promise<ClusterRecord> {
  const workloads = releases.flatMap((release) => clusterWorkload(release) ?? []);
  const [first] = workloads;
  const shared = workloads.every(({ namespace }) => namespace === first?.namespace);
  const where = shared && first !== undefined ? { namespace: first.namespace } : {};
  const reader =
    first === undefined
      ? cluster
      : await siteInventory(cluster, { site: first.site, ...where }, signal);
  const uid = await clusterUid(cluster, signal);
  const { gitVersion } = await cluster.read('/version', signal);
  return {
    ...(uid === undefined ? {} : { uid }),
    version: textOf(gitVersion, 128) ?? 'unknown',
    nodes: await recordNodes({ cluster, reader }, workloads, signal),
    objects: [
      ...(await recordObjects(reader, workloads, signal)),
      ...(await recordSets(new ObjectApi(cluster), workloads, signal)),
    ],
  };
}

async function recordNodes(
  { cluster, reader }: { readonly cluster: Cluster; readonly reader: Reader },
  workloads: readonly KubernetesWorkload[],
  signal: AbortSignal,
): Promise<RecordedNode[]> {
  const services = workloads.flatMap((workload) =>
    workload.services.map((service) => ({ workload, service })),
  );
  const pods = await severalAtOnce(services, ({ workload, service }) =>
    podsOf(reader, workload, service, signal),
  );
  const names = new Set(pods.flat().flatMap(({ node }) => node ?? []));
  return severalAtOnce([...names].toSorted(), (name) => recordNode(cluster, name, signal));
}

/** Through a list, because an account that may list nodes need not be able to get one. */
async function recordNode(
  cluster: Cluster,
  name: string,
  signal: AbortSignal,
): Promise<RecordedNode> {
  try {
    for await (const each of cluster.list(
      { kind: 'Node', fields: `metadata.name=${name}` },
      signal,
    )) {
      const { kubelet, runtime, devices } = nodeFacts(each);
      return { name, kubelet, runtime, devices };
    }
  } catch (error) {
    if (!isForbidden(error)) throw error;
  }
  return { name };
}

async function recordObjects(
  reader: Reader,
  workloads: readonly KubernetesWorkload[],
  signal: AbortSignal,
): Promise<RecordedObject[]> {
  const found = await severalAtOnce(workloads.flatMap(objectsOf), async (object) => {
    const place = placeOf(object);
    const live = await readable(reader.get(place, signal));
    const version = live === undefined ? undefined : metadataOf(live)['resourceVersion'];
    if (typeof version !== 'string') return [];
    const digest = digestOf(canonicalBytes(object as unknown as Json));
    return [{ ...place, resourceVersion: version, digest }];
  });
  return found.flat();
}

async function recordSets(
  api: ObjectApi,
  workloads: readonly KubernetesWorkload[],
  signal: AbortSignal,
): Promise<RecordedObject[]> {
  const recorded: RecordedObject[] = [];
  for (const workload of workloads)
    for (const set of setsOf(workload))
      for (const { object, placed, found } of await liveObjects(api, workload, set, signal)) {
        const version = found === undefined ? undefined : metadataOf(found)['resourceVersion'];
        if (placed === undefined || typeof version !== 'string') continue;
        const { namespace, name, resource } = placed;
        const where = namespace === undefined ? {} : { namespace };
        const digest = digestOf(canonicalBytes(object as unknown as Json));
        recorded.push({ kind: resource.kind, ...where, name, resourceVersion: version, digest });
      }
  return recorded;
}

/** An account with a Role in one namespace may not read the namespace itself. */
async function readable(found: Promise<Found | undefined>): Promise<Found | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

function objectsOf(workload: KubernetesWorkload): KubernetesObject[] {
  const { ownsNamespace, objects, services } = workload;
  return [
    ...(ownsNamespace ? [namespaceObject(workload)] : []),
    parentObject(workload),
    ...objects,
    ...services.flatMap(({ deployment, service }) => [
      deployment,
      ...(service === undefined ? [] : [service]),
    ]),
  ];
}
