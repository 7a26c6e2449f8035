import { fieldsOf } from '../../../core/fields.ts';
import type { KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, changesBetween } from '../../change.ts';
import type { Cluster } from '../api/cluster.ts';
import { refusedRequest } from '../api/failure.ts';
import { groupOf, type Kind, kinds } from '../api/kinds.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/** One verb on one resource; without a namespace it is for the whole cluster. */
export interface Right {
  readonly verb: string;
  readonly group: string;
  /** Such as `pods` or `pods/log`. */
  readonly resource: string;
  readonly namespace?: string;
}

/** Reviews at once. */
const AT_ONCE = 8;
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
/** Server-side apply creates by `create` and changes by `patch`. */
const MANAGE = ['get', 'create', 'patch', 'delete'] as const;
const MANAGED: readonly Kind[] = ['ConfigMap', 'Secret', 'Service', 'Deployment', 'NetworkPolicy'];

/** What an account needs to run a release: a table, so that a Role can be made of it. */
export function rightsFor(workload: KubernetesWorkload): Right[] {
  const { namespace, ownsNamespace, objects } = workload;
  const used = new Set<string>(objects.map(({ kind }) => kind));
  const within = [
    ...MANAGED.flatMap((kind) => manage(kind)),
    ...(used.has('PersistentVolumeClaim') ? manage('PersistentVolumeClaim') : []),
    ...['get', 'list'].map((verb) => right(verb, 'pods')),
    right('get', 'pods/log'),
    right('list', 'events'),
    // A port-forward through a WebSocket is a GET, and needs `create` as well since 1.35.
    ...['get', 'create'].map((verb) => right(verb, 'pods/portforward')),
    ...(workload.services.some(({ health }) => health?.command !== undefined)
      ? ['get', 'create'].map((verb) => right(verb, 'pods/exec'))
      : []),
  ];
  return [
    ...within.map((each) => ({ ...each, namespace })),
    ...(ownsNamespace ? manage('Namespace') : []),
    ...(used.has('PersistentVolume') ? manage('PersistentVolume') : []),
  ];
}

/** The account of the kubeconfig may do what the change needs; each missing right is named. */
export async function rights({
  change,
  cluster,
  signal,
}: ClusterConstraintInput): Promise<Constraint[]> {
  const { leaving } = changesBetween(change.from, change.to);
  const releases = [...arrivals(change).map(({ release }) => release), ...leaving];
  const needed = new Map<string, Right>();
  for (const release of releases) {
    const workload = clusterWorkload(release);
    for (const each of workload === undefined ? [] : rightsFor(workload))
      needed.set(rightText(each), each);
  }
  if (needed.size === 0) return [];
  const missing: string[] = [];
  const all = [...needed];
  for (let first = 0; first < all.length; first += AT_ONCE) {
    const some = all.slice(first, first + AT_ONCE);
    const allowed = await Promise.all(some.map(([, each]) => isAllowed(cluster, each, signal)));
    some.forEach(([text], index) => {
      if (allowed[index] === false) missing.push(text);
    });
  }
  return [
    {
      rule: 'rights',
      satisfied: missing.length === 0,
      needs: 'an account that may do what the change needs in the cluster',
      found: missing.length === 0 ? `${needed.size} rights` : `it may not ${missing.join(', ')}`,
    },
  ];
}

async function isAllowed(cluster: Cluster, each: Right, signal: AbortSignal): Promise<boolean> {
  const { verb, group, namespace } = each;
  const [resource = '', subresource] = each.resource.split('/');
  const answer = await cluster.create(
    REVIEWS,
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          ...{ verb, group, resource },
          ...(subresource === undefined ? {} : { subresource }),
          ...(namespace === undefined ? {} : { namespace }),
        },
      },
    },
    signal,
  );
  if (answer.failure !== undefined) throw refusedRequest('review the rights', answer.failure);
  return fieldsOf(answer.object['status'])['allowed'] === true;
}

/** A right in words, such as `create deployments.apps in chat`. */
export function rightText({ verb, group, resource, namespace }: Right): string {
  const what = group === '' ? resource : `${resource}.${group}`;
  return `${verb} ${what}${namespace === undefined ? '' : ` in ${namespace}`}`;
}

function manage(kind: Kind): Right[] {
  return MANAGE.map((verb) => ({ verb, group: groupOf(kind), resource: kinds[kind].plural }));
}

function right(verb: string, resource: string): Right {
  return { verb, group: '', resource };
}
