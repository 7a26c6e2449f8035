import { type Fields, fieldsOf, listOf, textOf } from '../../../core/json.ts';
import { counted } from '../../../core/text.ts';
import type { ReadyWhen } from '../../../format/cluster-content.ts';
import type { Found } from '../api/cluster.ts';
import { apiGroup } from '../api/object-api.ts';

/**
 * Why an object is not ready; undefined for one that is, or whose kind has nothing to wait for. Counts of pods are judged,
 * not conditions, which may be those of an earlier change. Pure.
 * @param readyWhen the conditions with which custom resources are ready
 */
export function unready(found: Found, readyWhen: readonly ReadyWhen[] = []): string | undefined {
  const kind = textOf(found['kind']) ?? '';
  const apiVersion = textOf(found['apiVersion']) ?? '';
  const own = conditionsFor({ kind, apiVersion }, readyWhen);
  for (const { condition, status } of own) {
    const missing = withoutCondition(found, condition, status);
    if (missing !== undefined) return missing;
  }
  return builtin[`${apiGroup(apiVersion)}/${kind}`]?.(found);
}

/** Whether {@link unready} judges objects of this kind: all others are ready once they are applied. */
export function isAwaited(object: KindOf, readyWhen: readonly ReadyWhen[] = []): boolean {
  const { kind, apiVersion } = object;
  return Object.hasOwn(builtin, `${apiGroup(apiVersion)}/${kind}`) || isCustom(object, readyWhen);
}

/** Whether an object is ready when its operator says so in a condition that the release names. */
export function isCustom(object: KindOf, readyWhen: readonly ReadyWhen[] = []): boolean {
  return conditionsFor(object, readyWhen).length > 0;
}

interface KindOf {
  readonly kind: string;
  readonly apiVersion: string;
}

function conditionsFor(
  { kind, apiVersion }: KindOf,
  readyWhen: readonly ReadyWhen[],
): readonly ReadyWhen[] {
  const group = apiGroup(apiVersion);
  return readyWhen.filter((each) => each.kind === kind && (each.group ?? group) === group);
}

/** Whether an object has pods of which {@link unready} speaks. */
export function hasPods({ kind, apiVersion }: Found): boolean {
  return /^(?:apps|batch)?\/(?:Deployment|StatefulSet|DaemonSet|ReplicaSet|Job|Pod)$/.test(
    `${apiGroup(String(apiVersion))}/${String(kind)}`,
  );
}

/** Whether a Job ended, and how. */
export function endOfJob(job: Found): 'Complete' | 'Failed' | undefined {
  const end = conditionsOf(job).find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
  return end?.['type'] as 'Complete' | 'Failed' | undefined;
}

/** Whether an object is a Job or a pod that ran to its end: one made again would run again. */
export function hasEnded(found: Found): boolean {
  const { phase } = fieldsOf(found['status']);
  const isPod = found['apiVersion'] === 'v1' && found['kind'] === 'Pod';
  if (isPod) return phase === 'Succeeded' || phase === 'Failed';
  const isJob = apiGroup(String(found['apiVersion'])) === 'batch' && found['kind'] === 'Job';
  return isJob && endOfJob(found) !== undefined;
}

/** Whether a condition of an object has a status. @returns what it has instead; undefined if it has it */
function withoutCondition(found: Found, type: string, wanted: string): string | undefined {
  const condition = conditionsOf(found).find((each) => each['type'] === type);
  if (condition === undefined) return `no condition ${type} yet`;
  const { status, message, reason, observedGeneration } = condition;
  const { generation } = fieldsOf(found['metadata']);
  // Conditions of Knative, such as KServe's, leave it to the status as a whole.
  const observed = observedGeneration ?? fieldsOf(found['status'])['observedGeneration'];
  const old = Number(observed ?? generation) < Number(generation) ? ', of an older version' : '';
  if (status === wanted && old === '') return undefined;
  const why = textOf(message) ?? textOf(reason) ?? '';
  return `condition ${type} is ${String(status)}${old}${why === '' ? '' : `: ${why}`}`;
}

type Judge = (found: Found) => string | undefined;

const builtin: Readonly<Record<string, Judge>> = {
  'apps/Deployment': (found) => {
    // Its controller changes no pods until a person resumes it; Helm does not wait for it either.
    if (fieldsOf(found['spec'])['paused'] === true) return undefined;
    const { replicas, updatedReplicas } = fieldsOf(found['status']);
    const before = Number(replicas ?? 0) - Number(updatedReplicas ?? 0);
    // While pods of the previous version remain, the ready ones may be among them.
    if (!isOutdated(found) && before > 0)
      return `not yet removed: ${counted(before, 'pod')} of the previous version`;
    return countOf(found, ({ updatedReplicas: updated, readyReplicas }) =>
      Math.min(Number(updated ?? 0), Number(readyReplicas ?? 0)),
    );
  },
  'apps/ReplicaSet': (found) => countOf(found, ({ readyReplicas }) => Number(readyReplicas ?? 0)),
  'apps/StatefulSet': (found) => {
    const { rollingUpdate, type } = fieldsOf(fieldsOf(found['spec'])['updateStrategy']);
    // Pods below the partition, and those that a person replaces, keep the version before.
    const partly = type === 'OnDelete' || Number(fieldsOf(rollingUpdate)['partition'] ?? 0) > 0;
    return countOf(found, ({ updatedReplicas, readyReplicas }) =>
      partly
        ? Number(readyReplicas ?? 0)
        : Math.min(Number(updatedReplicas ?? 0), Number(readyReplicas ?? 0)),
    );
  },
  'apps/DaemonSet': (found) => {
    if (isOutdated(found)) return 'not seen by its controller yet';
    const status = fieldsOf(found['status']);
    const wanted = Number(status['desiredNumberScheduled'] ?? 0);
    const { type } = fieldsOf(fieldsOf(found['spec'])['updateStrategy']);
    const updated = type === 'OnDelete' ? wanted : Number(status['updatedNumberScheduled'] ?? 0);
    const ready = Math.min(updated, Number(status['numberReady'] ?? 0));
    return ready >= wanted ? undefined : `${ready} of ${counted(wanted, 'pod')} ready`;
  },
  'batch/Job': (found) => {
    const end = endOfJob(found);
    if (end === 'Complete') return undefined;
    if (end === undefined)
      return fieldsOf(found['spec'])['suspend'] === true ? undefined : 'it runs';
    const failed = conditionsOf(found).find(({ type }) => type === 'Failed');
    return `it failed: ${textOf(failed?.['message']) ?? textOf(failed?.['reason']) ?? ''}`;
  },
  '/Pod': (found) => {
    const { phase } = fieldsOf(found['status']);
    if (phase === 'Succeeded') return undefined;
    const ready = conditionsOf(found).find(({ type }) => type === 'Ready');
    return ready?.['status'] === 'True' ? undefined : `it is ${textOf(phase) ?? 'Pending'}`;
  },
  '/Namespace': (found) => {
    const { phase } = fieldsOf(found['status']);
    return phase === 'Terminating' ? 'it is being deleted' : undefined;
  },
  '/PersistentVolumeClaim': (found) => {
    const phase = textOf(fieldsOf(found['status'])['phase']) ?? 'Pending';
    return phase === 'Bound' ? undefined : `it is ${phase}`;
  },
  'apiextensions.k8s.io/CustomResourceDefinition': (found) =>
    withoutCondition(found, 'NamesAccepted', 'True') ??
    withoutCondition(found, 'Established', 'True'),
  'apiregistration.k8s.io/APIService': (found) => withoutCondition(found, 'Available', 'True'),
};

function countOf(found: Found, ready: (status: Fields) => number): string | undefined {
  if (isOutdated(found)) return 'not seen by its controller yet';
  const wanted = Number(fieldsOf(found['spec'])['replicas'] ?? 1);
  const count = ready(fieldsOf(found['status']));
  return count >= wanted ? undefined : `${count} of ${counted(wanted, 'pod')} ready`;
}

function isOutdated(found: Found): boolean {
  const { generation } = fieldsOf(found['metadata']);
  return Number(fieldsOf(found['status'])['observedGeneration'] ?? 0) < Number(generation ?? 0);
}

function conditionsOf(found: Found): Fields[] {
  return listOf(fieldsOf(found['status'])['conditions']);
}
