import { fieldsOf } from '../../../core/json.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../change.ts';
import { type Cluster, objectText } from '../api/cluster.ts';
import { type ApiFailure, conflictsOf, failureText, isMissingApi } from '../api/failure.ts';
import { isTerminating, namespaceObject, ownerOf, parentObject } from '../namespace.ts';
import { clusterWorkload } from '../workload.ts';
import { podTemplatesOf } from '../workload-kinds.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/** Where objects are tried whose own namespace does not exist yet. */
const STAND_IN = 'default';

/**
 * The server accepts every object of each arriving release: schema, rights, quota, PodSecurity and webhooks speak in a dry run,
 * before anything changes. Pods are tried too, because PodSecurity and quota judge them and not Deployments.
 */
export async function admission(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { change, cluster, signal } = input;
  const constraints: Constraint[] = [];
  for (const { release } of arrivals(change)) {
    const workload = clusterWorkload(release);
    if (workload === undefined) continue;
    const about = releaseText(release);
    const needs = `namespace ${workload.namespace} for ${about}`;
    const place = await namespaceOf(cluster, workload, signal);
    constraints.push({ rule: 'namespace', satisfied: place.satisfied, needs, found: place.found });
    if (!place.satisfied) continue;
    const refused: string[] = [];
    for (const object of objectsOf(workload, place.exists)) {
      const { failure } = await cluster.tryApply(object, signal, { dryRun: true });
      if (failure !== undefined && !isUntried(object, failure))
        refused.push(`${objectText(object)}: ${inWords(failure)}`);
    }
    constraints.push({
      rule: 'admission',
      satisfied: refused.length === 0,
      needs: `the cluster accepts every object of ${about}`,
      found:
        refused.length > 0
          ? refused.join('; ')
          : place.exists
            ? 'accepted in a dry run'
            : `accepted in a dry run in namespace ${STAND_IN}: ${workload.namespace} does not exist yet`,
    });
  }
  return constraints;
}

interface NamespaceFound {
  readonly satisfied: boolean;
  readonly exists: boolean;
  readonly found: string;
}

async function namespaceOf(
  cluster: Cluster,
  workload: KubernetesWorkload,
  signal: AbortSignal,
): Promise<NamespaceFound> {
  const { namespace, ownsNamespace, site } = workload;
  const answer = await cluster.tryGet({ kind: 'Namespace', name: namespace }, signal);
  if (answer.failure?.status === 404)
    return ownsNamespace
      ? { satisfied: true, exists: false, found: 'it will be created' }
      : { satisfied: false, exists: false, found: 'no such namespace' };
  // An account with a Role in one namespace may not read the namespace itself.
  if (answer.failure !== undefined)
    return ownsNamespace
      ? { satisfied: false, exists: false, found: inWords(answer.failure) }
      : { satisfied: true, exists: true, found: 'the account may not read it' };
  const owner = ownerOf(answer.object);
  if (isTerminating(answer.object))
    return { satisfied: false, exists: true, found: 'it is being deleted' };
  if (!ownsNamespace) return { satisfied: true, exists: true, found: 'it exists' };
  if (owner === site) return { satisfied: true, exists: true, found: 'it belongs to this site' };
  const found =
    owner === undefined ? 'a namespace that Stowage did not make' : `it belongs to site ${owner}`;
  return { satisfied: false, exists: true, found };
}

/** What is applied, and a pod of each service. */
function objectsOf(workload: KubernetesWorkload, exists: boolean): KubernetesObject[] {
  const { services, objects, ownsNamespace } = workload;
  const within = [
    parentObject(workload),
    ...objects,
    ...services.flatMap(({ deployment, service }) => [
      deployment,
      ...podsOf(deployment),
      ...(service === undefined ? [] : [service]),
    ]),
    ...(workload.fill === undefined ? [] : [workload.fill.job, ...podsOf(workload.fill.job)]),
  ];
  return [
    ...(ownsNamespace ? [namespaceObject(workload)] : []),
    ...(exists ? within : within.map(standIn)),
  ];
}

function standIn(object: KubernetesObject): KubernetesObject {
  const { namespace, ...metadata } = object.metadata;
  return namespace === undefined
    ? object
    : { ...object, metadata: { ...metadata, namespace: STAND_IN } };
}

/** A pod of each template of an object. */
function podsOf(object: KubernetesObject): KubernetesObject[] {
  const { name, namespace } = object.metadata;
  return podTemplatesOf(object).map(({ template }) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: fieldsOf(template['metadata'])['labels'] as Record<string, string>,
    },
    spec: template['spec'],
  }));
}

/**
 * An account that may not create pods cannot try one: a controller creates them. Another rule says that a cluster has no
 * LeaderWorkerSets.
 */
function isUntried({ kind }: KubernetesObject, failure: ApiFailure): boolean {
  const { status, message } = failure;
  if (kind === 'LeaderWorkerSet' && isMissingApi(failure)) return true;
  return kind === 'Pod' && status === 403 && /cannot (?:create|patch) resource/.test(message);
}

/** Why the server refuses an object. */
function inWords(failure: ApiFailure): string {
  const conflicts = conflictsOf(failure);
  if (conflicts.length > 0)
    return `${conflicts.map(({ field, manager }) => `${manager} manages ${field}`).join(', ')}: undo that change, or delete the object`;
  return failureText(failure);
}
