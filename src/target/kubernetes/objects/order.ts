import type { KubernetesObject, KubernetesSet } from '../../../format/kubernetes.ts';
import { apiGroup } from '../api/resources.ts';

/** The order in which Helm installs kinds (`InstallOrder` of its package `releaseutil`), without those of {@link LAST}. */
const ORDER = [
  ...['PriorityClass', 'Namespace', 'NetworkPolicy', 'ResourceQuota', 'LimitRange'],
  ...['PodSecurityPolicy', 'PodDisruptionBudget', 'ServiceAccount', 'Secret', 'ConfigMap'],
  ...['StorageClass', 'PersistentVolume', 'PersistentVolumeClaim', 'CustomResourceDefinition'],
  ...['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding', 'Service', 'DaemonSet', 'Pod'],
  ...['ReplicationController', 'ReplicaSet', 'Deployment', 'HorizontalPodAutoscaler'],
  ...['StatefulSet', 'Job', 'CronJob', 'IngressClass', 'Ingress'],
] as const;
/** What the server calls for objects of others: applied once what answers those calls is ready. */
const LAST: ReadonlySet<string> = new Set([
  'APIService',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
]);

/** The objects of a set by when they are applied. */
export interface Phases {
  readonly namespaces: readonly KubernetesObject[];
  /** Awaited until the server has their kinds; never removed by an uninstall. */
  readonly definitions: readonly KubernetesObject[];
  readonly rest: readonly KubernetesObject[];
  /** After everything else is ready. */
  readonly webhooks: readonly KubernetesObject[];
}

/** Objects of `objects:` in the order in which they are applied; those of one kind stay in theirs. */
export function inInstallOrder(objects: readonly KubernetesObject[]): KubernetesObject[] {
  return objects.toSorted((a, b) => rank(a) - rank(b));
}

export function phasesOf({ objects }: Pick<KubernetesSet, 'objects'>): Phases {
  const ordered = inInstallOrder(objects);
  const special = (each: KubernetesObject): boolean =>
    isNamespace(each) || isDefinition(each) || isWebhook(each);
  return {
    namespaces: ordered.filter(isNamespace),
    definitions: ordered.filter(isDefinition),
    rest: ordered.filter((each) => !special(each)),
    webhooks: ordered.filter(isWebhook),
  };
}

export function isNamespace({ apiVersion, kind }: KubernetesObject): boolean {
  return apiVersion === 'v1' && kind === 'Namespace';
}

export function isDefinition({ apiVersion, kind }: KubernetesObject): boolean {
  return apiGroup(apiVersion) === 'apiextensions.k8s.io' && kind === 'CustomResourceDefinition';
}

function isWebhook({ kind }: KubernetesObject): boolean {
  return LAST.has(kind);
}

/** Custom resources come after the workloads of their operators, as with Helm. */
function rank(object: KubernetesObject): number {
  if (isWebhook(object)) return ORDER.length + 1;
  const index = (ORDER as readonly string[]).indexOf(object.kind);
  return index < 0 ? ORDER.length : index;
}
