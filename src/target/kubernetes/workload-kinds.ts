import { type Fields, fieldsOf, listOf, textOf } from '../../core/json.ts';
import { oneLine } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { KubernetesObject } from '../../format/kubernetes.ts';
import type { Service } from '../../format/service.ts';
import type { Cluster, Found } from './api/cluster.ts';
import { labels } from './labels.ts';
import type { StartFailure } from './start-failure.ts';

/** The pods of a service before an object runs them. */
export interface ServicePods {
  readonly service: Service;
  /** What selects its pods, and nothing else. */
  readonly selector: Readonly<Record<string, string>>;
  /** The labels of each pod. */
  readonly labels: Readonly<Record<string, string>>;
  /** The specification of the pods that clients reach. */
  readonly pod: Fields;
  /** That of the workers of a service that spans several nodes. */
  readonly worker?: Fields;
}

/** Pods of an object that are alike. */
export interface PodTemplate {
  /** The labels and the specification of each. */
  readonly template: Fields;
  readonly count: number;
}

/** An entry in the `/etc/hosts` of a pod. */
export interface HostAlias {
  readonly ip: string;
  readonly hostnames: readonly string[];
}

/** Addresses that pods know by name. */
export interface KnownAddresses {
  /** Of the other services of the release. */
  readonly peers: readonly HostAlias[];
  /** Of the leader among the pods of the service, by the name of the service; absent where one node runs it. */
  readonly leader?: HostAlias;
}

/** What differs between the kinds of objects that run the pods of a service. */
export interface WorkloadKind {
  readonly spec: (pods: ServicePods) => Fields;
  /** What a Service selects beside the selector of the pods: those that answer requests. */
  readonly answering: Readonly<Record<string, string>>;
  /** The pods that answer requests come first. */
  readonly templates: (spec: Fields) => readonly [PodTemplate, ...PodTemplate[]];
  /** What its pods are made of: its controller replaces them when this changes. */
  readonly madeOf: (spec: Fields) => unknown;
  /** A specification whose pods know these addresses. */
  readonly withAddresses: (object: KubernetesObject, known: KnownAddresses) => Fields;
  /** How many replicas its controller has made of the present template. */
  readonly updated: (found: Found) => number;
  /** Why its controller makes no pods; undefined if it only takes its time. */
  readonly withoutPods: (
    cluster: Cluster,
    found: Found,
    signal: AbortSignal,
  ) => Promise<StartFailure | undefined>;
}

const DAY_SECONDS = 86_400;
const MAX_TEXT = 500;

/** A service on one node, or replicas of it. */
export const deployments: WorkloadKind = {
  spec: ({ service, selector, labels, pod }) => ({
    replicas: service.replicas ?? 1,
    revisionHistoryLimit: 0,
    progressDeadlineSeconds: Math.min(
      service.health?.startupLimitSeconds ?? DAY_SECONDS,
      7 * DAY_SECONDS,
    ),
    // A changed pod has another name, so that only what someone edited is updated: when it is repaired.
    strategy: { type: 'Recreate' },
    selector: { matchLabels: selector },
    template: { metadata: { labels }, spec: pod },
  }),
  answering: {},
  templates: (spec) => [
    { template: fieldsOf(spec['template']), count: Number(spec['replicas'] ?? 1) },
  ],
  madeOf: ({ template }) => template,
  withAddresses({ spec }, { peers }) {
    const own = fieldsOf(spec);
    return { ...own, template: withHostAliases(fieldsOf(own['template']), peers) };
  },
  /** Its status may be that of an earlier change. */
  updated({ metadata, status }) {
    const { generation } = fieldsOf(metadata);
    const { observedGeneration, updatedReplicas } = fieldsOf(status);
    if (Number(observedGeneration ?? 0) < Number(generation ?? 0)) return 0;
    return Number(updatedReplicas ?? 0);
  },
  async withoutPods(_, { status }) {
    const failed = listOf(fieldsOf(status)['conditions']).find(
      (each) => each['type'] === 'ReplicaFailure' && each['status'] === 'True',
    );
    return failed && refusedPod(textOf(failed['message'], 65_536) ?? '');
  },
};

/** A template whose pods have these entries in `/etc/hosts`. */
export function withHostAliases(template: Fields, hostAliases: readonly HostAlias[]): Fields {
  if (hostAliases.length === 0) return template;
  return { ...template, spec: { ...fieldsOf(template['spec']), hostAliases } };
}

/** Why a controller could not create a pod: quota, PodSecurity, a webhook. */
export function refusedPod(message: string): StartFailure {
  const quota = /exceeded quota/.test(message);
  return {
    found: `the cluster admits no pod: ${oneLine(message, MAX_TEXT)}`,
    hint: quota
      ? 'ask the owner of the cluster for a larger quota, or uninstall a release'
      : 'ask the owner of the cluster which policy refuses the pod',
    mayPass: quota,
  };
}

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
  madeOf: ({ leaderWorkerTemplate }) => leaderWorkerTemplate,
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
  /** It has no `observedGeneration`. */
  updated: ({ status }) => Number(fieldsOf(status)['updatedReplicas'] ?? 0),
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

/** How many replicas are of the present template and ready. A group is ready when all of its pods are. */
export function readyReplicasOf(of: { readonly kind: string }, found: Found): number {
  const ready = Number(fieldsOf(found['status'])['readyReplicas'] ?? 0);
  return Math.min(workloadKindOf(of).updated(found), ready);
}

/** How many times an object runs its service. */
export function replicasOf({ spec }: KubernetesObject): number {
  return Number(fieldsOf(spec)['replicas'] ?? 1);
}

/** The images that a pod of a service runs and mounts, by their references. */
export function imagesOf(deployment: KubernetesObject): string[] {
  const spec = podSpecOf(deployment);
  const references = [
    ...listOf(spec['containers']).map(({ image }) => textOf(image)),
    ...listOf(spec['volumes']).map(({ image }) => textOf(fieldsOf(image)['reference'])),
  ];
  return [...new Set(references.flatMap((each) => each ?? []))];
}

/** The images in the pod template of a workload, or in a pod; none for any other kind, whose fields only its operator knows. */
export function templateImages(object: KubernetesObject): string[] {
  const { initContainers, containers } = templateSpec(object) ?? {};
  return [...listOf(initContainers), ...listOf(containers)].flatMap(
    ({ image }) => textOf(image) ?? [],
  );
}

/** The pods that a workload makes, or that an object is; undefined for any other kind. */
export function templateSpec({ apiVersion, kind, spec }: KubernetesObject): Fields | undefined {
  if (!['v1', 'apps/v1', 'batch/v1'].includes(apiVersion)) return undefined;
  if (kind === 'Pod') return fieldsOf(spec);
  const { template, jobTemplate } = fieldsOf(spec);
  const made = template ?? fieldsOf(fieldsOf(jobTemplate)['spec'])['template'];
  return made === undefined ? undefined : fieldsOf(fieldsOf(made)['spec']);
}

/** Models and files, which can be images, with their sizes in bytes. */
export function contentImages({ models, files }: Bundle): { name: string; size: number }[] {
  return [
    ...models.map(({ name, files: own }) => ({
      name,
      size: own.reduce((sum, { size }) => sum + size, 0),
    })),
    ...files.map(({ name, size }) => ({ name, size })),
  ];
}
