import { type Fields, fieldsOf } from '../../core/json.ts';
import type { KubernetesObject } from '../../format/kubernetes.ts';
import type { Service } from '../../format/service.ts';
import { deployments } from './deployments.ts';
import { leaderWorkerSets } from './leader-worker-sets.ts';
import type { PodTemplate, WorkloadKind } from './workload-kind.ts';

/** The kind of the object that runs a service. */
export function kindFor({ nodes }: Pick<Service, 'nodes'>): 'Deployment' | 'LeaderWorkerSet' {
  return nodes === undefined ? 'Deployment' : 'LeaderWorkerSet';
}

/** How an object runs pods. A Job does as a Deployment. */
export function workloadKindOf({ kind }: { readonly kind: string }): WorkloadKind {
  return kind === 'LeaderWorkerSet' ? leaderWorkerSets : deployments;
}

/** The templates of the pods of an object, first of those that answer requests. */
export function podTemplatesOf(object: KubernetesObject): readonly [PodTemplate, ...PodTemplate[]] {
  return workloadKindOf(object).templates(fieldsOf(object['spec']));
}

/** The specification of the pods of an object that answer requests. */
export function podSpecOf(object: KubernetesObject): Fields {
  return fieldsOf(podTemplatesOf(object)[0].template['spec']);
}

/** How many pods an object runs at once. */
export function podCountOf(object: KubernetesObject): number {
  return podTemplatesOf(object).reduce((sum, { count }) => sum + count, 0);
}

/** How many times an object runs its service. */
export function replicasOf({ spec }: KubernetesObject): number {
  return Number(fieldsOf(spec)['replicas'] ?? 1);
}
