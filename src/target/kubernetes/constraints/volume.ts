import { fieldsOf, textOf } from '../../../core/json.ts';
import { formatBytes } from '../../../core/text.ts';
import type { KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../change.ts';
import type { Found } from '../api/cluster.ts';
import { quantity } from '../quantity.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';

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
