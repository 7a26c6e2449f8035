import { digestOf } from '../../core/digest.ts';
import { canonicalBytes, type Json, textOf } from '../../core/json.ts';
import type { ClusterRecord, RecordedNode, RecordedObject } from '../../format/cluster-record.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../format/kubernetes.ts';
import type { Generation } from '../../format/plan.ts';
import type { Cluster, Found, Reader } from './api/cluster.ts';
import { isForbidden } from './api/failure.ts';
import { ObjectApi } from './api/object-api.ts';
import { severalAtOnce } from './api/several-at-once.ts';
import { clusterUid } from './doctor/cluster-proof.ts';
import { nodeFacts } from './doctor/node-facts.ts';
import { siteInventory } from './inventory.ts';
import { namespaceObject, parentObject } from './namespace.ts';
import { liveObjects } from './objects/set-state.ts';
import { setsOf } from './objects/sets.ts';
import { metadataOf, podsOf } from './pods.ts';
import { clusterWorkload, placeOf } from './workload.ts';

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
