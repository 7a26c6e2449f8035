import { checkDocument } from '../../format/document.ts';
import {
  type KubernetesObject,
  type KubernetesService,
  type KubernetesWorkload,
  kubernetesWorkloadKind,
} from '../../format/kubernetes.ts';
import type { DeployedRelease } from '../../format/plan.ts';
import type { Named } from './api/cluster.ts';
import type { Kind } from './api/kinds.ts';

const read = new WeakMap<object, KubernetesWorkload>();

/**
 * The objects of a release; undefined for one without a workload.
 * @throws StowageError `state-damaged` for a workload of another kind
 */
export function clusterWorkload({ workload }: DeployedRelease): KubernetesWorkload | undefined {
  if (workload.kind === 'none') return undefined;
  const known = read.get(workload) ?? checkDocument(kubernetesWorkloadKind, workload);
  read.set(workload, known);
  return known;
}

/** {@link clusterWorkload} of a release that has one. */
export function workloadOf(release: DeployedRelease): KubernetesWorkload {
  const found = clusterWorkload(release);
  if (found === undefined) throw new Error(`release ${release.name} has no workload`);
  return found;
}

export function serviceOf(workload: KubernetesWorkload, name: string): KubernetesService {
  const service = workload.services.find((each) => each.name === name);
  if (service === undefined) throw new Error(`release ${workload.release} has no service ${name}`);
  return service;
}

/** Where an object is. */
export function placeOf({ kind, metadata: { namespace, name } }: KubernetesObject): Named {
  return { kind: kind as Kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

/** A text by which two places can be compared. */
export function placeText(object: KubernetesObject): string {
  const { kind, namespace = '', name } = placeOf(object);
  return `${kind} ${namespace} ${name}`;
}
