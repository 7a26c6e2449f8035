import { StowageError } from '../../../core/error.ts';
import { fieldsOf, textOf } from '../../../core/json.ts';
import { counted, formatBytes } from '../../../core/text.ts';
import type { Bundle } from '../../../format/bundle.ts';
import type { KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../change.ts';
import { imageLayers, unpackedBytes } from '../../container/disk-use.ts';
import type { StoredBlobs } from '../../target.ts';
import type { Found } from '../api/cluster.ts';
import { type ClusterNode, candidates, type Demand, demandOf } from '../capacity.ts';
import { quantity } from '../quantity.ts';
import { clusterWorkload } from '../workload.ts';
import { contentImages, imagesOf } from '../workload-kinds.ts';
import { readableNodes } from './capacity.ts';
import type { ClusterConstraintInput } from './constraint.ts';

const DISK = 'ephemeral-storage';

/**
 * A node that a service may run on has a disk for its images and the models that it mounts as images: as content, and as the
 * snapshot that containers see. The API says how large the disk is, not what is free.
 */
export async function nodeDisk(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { change, store } = input;
  const constraints: Constraint[] = [];
  for (const { release, bundle } of arrivals(change)) {
    for (const { name, deployment } of clusterWorkload(release)?.services ?? []) {
      const bytes = await bytesOf(bundle, imagesOf(deployment), store);
      const { apart, replicas } = demandOf(deployment);
      const count = apart === true ? counted(replicas, 'node') : 'a node';
      const needs = `${count} with a disk of ${formatBytes(bytes)} or more for images and models of service ${name} of release ${release.name}, as content and as snapshot`;
      const nodes = await readableNodes(input);
      constraints.push({
        rule: 'node-disk',
        needs,
        ...(nodes === undefined
          ? { satisfied: true, found: 'not known: the account may not read nodes' }
          : judge(candidates(deployment, nodes), bytes, demandOf(deployment))),
      });
    }
  }
  return constraints;
}

function judge(
  nodes: readonly ClusterNode[],
  bytes: number,
  { apart, replicas }: Demand,
): { readonly satisfied: boolean; readonly found: string } {
  const known = nodes.flatMap(({ allocatable }) => allocatable[DISK] ?? []);
  if (known.length === 0)
    return {
      satisfied: true,
      found:
        nodes.length === 0
          ? 'not known: no node may run it'
          : 'not known: the nodes do not report their disks',
    };
  const large = known.filter((each) => each >= bytes);
  const largest = formatBytes(Math.max(...known));
  const needed = apart === true ? replicas : 1;
  if (large.length < needed && known.length === nodes.length)
    return {
      satisfied: false,
      found: `${needed > 1 ? `${large.length} of ${counted(needed, 'node')} have it: ` : ''}the largest of ${counted(nodes.length, 'node')} has ${largest}`,
    };
  return {
    satisfied: true,
    found: `${large.length} of ${counted(nodes.length, 'node')} have it, the largest ${largest}; how much is free is not known`,
  };
}

async function bytesOf(
  bundle: Bundle,
  references: readonly string[],
  store: StoredBlobs,
): Promise<number> {
  let bytes = 0;
  for (const image of bundle.images) {
    const found = image.platforms.find(({ manifest }) =>
      references.some((each) => each.endsWith(`@${manifest}`)),
    );
    if (found === undefined) continue;
    try {
      for (const layer of await imageLayers(store, found.manifest))
        bytes += layer.size + unpackedBytes(layer);
    } catch (error) {
      // What the depot no longer has, nodes cannot pull either: another rule says so.
      if (!(error instanceof StowageError)) throw error;
    }
  }
  for (const { name, size } of contentImages(bundle))
    if (references.some((each) => each.includes(`/${name}-car@`))) bytes += 2 * size;
  return bytes;
}

/** A claim that a Job fills is large enough for the content, and can be written to. That it exists is another rule. */
export async function volume(input: ClusterConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(input.change)) {
    const workload = clusterWorkload(release);
    const { fill } = workload ?? {};
    if (workload === undefined || fill === undefined) continue;
    const isMade = workload.objects.some(({ metadata }) => metadata.name === fill.claim);
    constraints.push({
      rule: 'volume',
      needs: `${formatBytes(fill.bytes)} on claim ${fill.claim} for ${releaseText(release)}`,
      ...(isMade
        ? { satisfied: true, found: `a claim of this size is made in ${workload.namespace}` }
        : await claimFound(fill, workload, input)),
    });
  }
  return constraints;
}

async function claimFound(
  { claim: name, bytes }: NonNullable<KubernetesWorkload['fill']>,
  { namespace }: KubernetesWorkload,
  { cluster, signal }: ClusterConstraintInput,
): Promise<Pick<Constraint, 'satisfied' | 'found'>> {
  const place = { kind: 'PersistentVolumeClaim', namespace, name } as const;
  const { object } = await cluster.tryGet(place, signal);
  if (object === undefined) return { satisfied: true, found: 'not known: it cannot be read' };
  const { modes, phase, capacity } = claimOf(object);
  const size = capacity === undefined ? '' : `, ${formatBytes(capacity)} in all`;
  const about = `${phase}, ${modes.join(' and ')}${size}`;
  if (!modes.some((each) => each.startsWith('ReadWrite')))
    return {
      satisfied: false,
      found: `${about}: a Job cannot fill it; add ReadWriteMany or ReadWriteOnce, or fill it yourself and remove kubernetes.fill`,
    };
  if (capacity !== undefined && capacity < bytes)
    return { satisfied: false, found: `${about}: it is too small` };
  return { satisfied: true, found: about };
}

function claimOf({ status, spec }: Found) {
  const { phase, capacity } = fieldsOf(status);
  const storage = fieldsOf(capacity)['storage'];
  const modes = fieldsOf(spec)['accessModes'];
  return {
    modes: Array.isArray(modes) ? modes.filter((each) => typeof each === 'string') : [],
    phase: textOf(phase) ?? 'Pending',
    ...(storage === undefined ? {} : { capacity: quantity(storage) }),
  };
}
