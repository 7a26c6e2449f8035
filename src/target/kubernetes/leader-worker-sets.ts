import { type Fields, fieldsOf, listOf, textOf } from '../../core/json.ts';
import type { Cluster, Found } from './api/cluster.ts';
import { refusedPod, withHostAliases } from './deployments.ts';
import { labels } from './labels.ts';
import type { PodTemplate, WorkloadKind } from './workload-kind.ts';

/** Longer names leave no room for the numbers and the digest that the controller and its StatefulSets append: 63 characters in all. */
export const MAX_SET_NAME = 50;
/** Variables of every pod of a group, which the controller sets. */
export const RANK_VARIABLE = 'LWS_WORKER_INDEX';
/** The variable with the name of the leader's pod, under which its own `/etc/hosts` has its address. */
export const LEADER_VARIABLE = 'STOWAGE_LEADER';

/**
 * A service that spans several nodes: one group of a leader and its workers, each on a node of its own. When one of them ends, all
 * start again, because none can join the others later (https://lws.sigs.k8s.io).
 */
export const leaderWorkerSets: WorkloadKind = {
  spec({ service: { nodes }, selector, labels: own, pod, worker = {} }) {
    const template = (role: 'leader' | 'worker', spec: Fields): Fields => ({
      metadata: { labels: { ...own, [labels.role]: role } },
      spec: { ...spec, affinity: apart(selector) },
    });
    return {
      replicas: 1,
      startupPolicy: 'LeaderCreated',
      leaderWorkerTemplate: {
        size: nodes?.count ?? 1,
        restartPolicy: 'RecreateGroupOnPodRestart',
        leaderTemplate: template('leader', pod),
        workerTemplate: template('worker', worker),
      },
    };
  },
  answering: { [labels.role]: 'leader' },
  templates(spec): [PodTemplate, PodTemplate] {
    const { leaderTemplate, workerTemplate, size } = fieldsOf(spec['leaderWorkerTemplate']);
    const groups = Number(spec['replicas'] ?? 1);
    return [
      { template: fieldsOf(leaderTemplate), count: groups },
      { template: fieldsOf(workerTemplate), count: groups * (Number(size ?? 1) - 1) },
    ];
  },
  withAddresses({ spec, metadata: { name, namespace } }, { peers, leader }) {
    const own = fieldsOf(spec);
    const group = fieldsOf(own['leaderWorkerTemplate']);
    // What images read in LWS_LEADER_ADDRESS would otherwise need the DNS of the cluster.
    const address = `${name}-0.${name}.${namespace}`;
    const self = { ip: '127.0.0.1', hostnames: [address] };
    const known =
      leader === undefined ? [] : [{ ...leader, hostnames: [...leader.hostnames, address] }];
    return {
      ...own,
      leaderWorkerTemplate: {
        ...group,
        leaderTemplate: withHostAliases(fieldsOf(group['leaderTemplate']), [...peers, self]),
        workerTemplate: withHostAliases(fieldsOf(group['workerTemplate']), [...peers, ...known]),
      },
    };
  },
  /** A group is ready when all of its pods are. It has no `observedGeneration`, and is never updated. */
  ready({ status }) {
    const { updatedReplicas, readyReplicas } = fieldsOf(status);
    return Math.min(Number(updatedReplicas ?? 0), Number(readyReplicas ?? 0));
  },
  async withoutPods(cluster, found, signal) {
    const name = textOf(fieldsOf(found['metadata'])['name']) ?? '';
    const message = await refusal(cluster, found, signal);
    // The webhooks of the controller itself do not answer while it starts.
    const mayPass = /failed calling webhook|exceeded quota/.test(message ?? '');
    if (message !== undefined) return { ...refusedPod(message), mayPass };
    if (listOf(fieldsOf(found['status'])['conditions']).length > 0) return undefined;
    return {
      found: `no controller acts on LeaderWorkerSet ${name}`,
      hint: 'ask the owner of the cluster why the LeaderWorkerSet controller (lws-controller-manager) does not run',
      mayPass: true,
    };
  },
};

/** Each pod of a group on a node of its own, whatever else runs there. */
function apart(matchLabels: Readonly<Record<string, string>>): Fields {
  const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels } };
  return { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
}

/** What admission says; pods of the same name that are still being deleted are no refusal. */
const REFUSED = /is forbidden|denied the request|failed calling webhook/;

/** The newest warning that a pod was refused, of the StatefulSets of this object: leaders have its name, workers that of their leader. */
async function refusal(
  cluster: Cluster,
  { metadata }: Found,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { name, namespace, creationTimestamp } = fieldsOf(metadata);
  const began = textOf(creationTimestamp) ?? '';
  const warnings: { at: string; message: string }[] = [];
  for (const set of [String(name), `${String(name)}-0`]) {
    const selection = { kind: 'Event', namespace: String(namespace) } as const;
    const fields = `involvedObject.name=${set},reason=FailedCreate,type=Warning`;
    for await (const event of cluster.list({ ...selection, fields }, signal)) {
      const at = textOf(event['lastTimestamp']) ?? textOf(event['eventTime']) ?? '';
      const message = textOf(event['message'], 65_536) ?? '';
      // Those of an object that had the same name are older.
      if (at >= began && REFUSED.test(message)) warnings.push({ at, message });
    }
  }
  return warnings.toSorted((a, b) => (a.at < b.at ? -1 : 1)).at(-1)?.message;
}
