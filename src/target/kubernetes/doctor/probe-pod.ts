import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted } from '../../../core/error.ts';
import { type Fields, fieldsOf, listOf, textOf } from '../../../core/json.ts';
import type { Cluster, Found } from '../api/cluster.ts';
import { type ApiFailure, refusedRequest } from '../api/failure.ts';
import { pathOf } from '../api/kinds.ts';
import { placementOf } from '../labels.ts';
import { type ProbePlace, probeLabels, probeName } from './probe-place.ts';
import type { ContainerState } from './programs.ts';

const POLL_MS = 300;
/** The kubelet ends a probe pod after this time, even if this command was killed. */
const DEADLINE_SECONDS = 300;
const MEMORY = '128Mi';

/** One container of a probe pod. */
export interface ProbeContainer {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly env?: readonly object[];
  readonly volumeMounts?: readonly object[];
}

export interface ProbePod {
  /** Its part in the probe, which is in its name. */
  readonly part: string;
  readonly containers: readonly ProbeContainer[];
  readonly volumes?: readonly object[];
  /** The node that it must run on; absent for any. */
  readonly node?: string;
  /** Whether it should run on another node than the other pods of the probe. */
  readonly apart?: boolean;
  /** After which the kubelet ends it; absent for {@link DEADLINE_SECONDS}. */
  readonly deadlineSeconds?: number;
  /** Settings of its network namespace. */
  readonly sysctls?: readonly { readonly name: string; readonly value: string }[];
}

/** A probe pod at one moment. */
export interface ProbeState {
  readonly name: string;
  readonly node?: string;
  readonly address?: string;
  /** Why no node takes it. */
  readonly unscheduled?: string;
  readonly containers: readonly ContainerState[];
  readonly object: Found;
}

/**
 * Creates a probe pod: PodSecurity `restricted`, no volume of the host, pulls its image even if the node has it.
 * @returns why the cluster refuses it, or undefined
 */
export async function createProbePod(
  place: ProbePlace,
  pod: ProbePod,
  signal: AbortSignal,
): Promise<ApiFailure | undefined> {
  const { cluster, namespace } = place;
  return (await cluster.create(pathOf('Pod', namespace), podObject(place, pod), signal)).failure;
}

/**
 * Waits until a probe pod is as `judge` wants it.
 * @returns undefined if it is not after this time
 */
export async function watchProbePod<T>(
  { cluster, site, namespace }: ProbePlace,
  part: string,
  { seconds, judge }: { seconds: number; judge: (state: ProbeState) => T | undefined },
  signal: AbortSignal,
): Promise<T | undefined> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const state = await probeState(cluster, { namespace, name: probeName(site, part) }, signal);
    const found = judge(state);
    if (found !== undefined || performance.now() >= until) return found;
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) throw interrupted(signal);
  }
}

async function probeState(
  cluster: Cluster,
  place: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<ProbeState> {
  const answer = await cluster.tryGet({ kind: 'Pod', ...place }, signal);
  if (answer.failure !== undefined)
    throw refusedRequest(`read Pod ${place.namespace}/${place.name}`, answer.failure);
  const { object } = answer;
  const status = fieldsOf(object['status']);
  const node = textOf(fieldsOf(object['spec'])['nodeName']);
  const address = textOf(status['podIP']);
  const scheduled = listOf(status['conditions']).find(({ type }) => type === 'PodScheduled');
  const unscheduled = scheduled?.['status'] === 'False' ? textOf(scheduled['message']) : undefined;
  return {
    name: place.name,
    ...(node === undefined ? {} : { node }),
    ...(address === undefined ? {} : { address }),
    ...(unscheduled === undefined ? {} : { unscheduled }),
    containers: listOf(status['containerStatuses']).map(containerState),
    object,
  };
}

function containerState({ name, state }: Fields): ContainerState {
  const { running, waiting, terminated } = fieldsOf(state);
  const { reason, message, exitCode } = fieldsOf(waiting ?? terminated);
  const why = { reason: textOf(reason) ?? '', message: textOf(message, 65_536) ?? '' };
  return {
    name: textOf(name) ?? '',
    running: running !== undefined,
    ...(waiting === undefined ? {} : { waiting: why }),
    ...(terminated === undefined ? {} : { ended: { ...why, exitCode: Number(exitCode ?? -1) } }),
  };
}

function podObject(place: ProbePlace, pod: ProbePod): object {
  const { part, containers, volumes, sysctls, deadlineSeconds = DEADLINE_SECONDS } = pod;
  const { site, settings, platform, namespace, pullSecret } = place;
  const resources = { cpu: '10m', memory: MEMORY };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: probeName(site, part), namespace, labels: probeLabels(site, part) },
    spec: {
      ...{ restartPolicy: 'Never', activeDeadlineSeconds: deadlineSeconds },
      ...{ terminationGracePeriodSeconds: 1, automountServiceAccountToken: false },
      ...{ enableServiceLinks: false, dnsPolicy: 'None' },
      dnsConfig: { nameservers: ['127.0.0.1'] },
      ...placementOf(settings, platform),
      ...(pullSecret === undefined ? {} : { imagePullSecrets: [{ name: pullSecret }] }),
      affinity: affinityOf(site, pod),
      securityContext: {
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
        ...(sysctls === undefined ? {} : { sysctls }),
        ...(settings.user === 'namespace' ? {} : { runAsUser: 65_532, runAsGroup: 65_532 }),
      },
      containers: containers.map(({ name, image, command, env = [], volumeMounts = [] }) => ({
        ...{ name, image, command, env, volumeMounts, imagePullPolicy: 'Always' },
        resources: { requests: resources, limits: resources },
        terminationMessagePolicy: 'FallbackToLogsOnError',
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      })),
      ...(volumes === undefined ? {} : { volumes }),
    },
  };
}

function affinityOf(site: string, { node, apart }: ProbePod): object {
  const server = {
    topologyKey: 'kubernetes.io/hostname',
    labelSelector: { matchLabels: probeLabels(site, 'server') },
  };
  const preferred = [{ weight: 1, podAffinityTerm: server }];
  const own = { key: 'metadata.name', operator: 'In', values: [node] };
  const required = { nodeSelectorTerms: [{ matchFields: [own] }] };
  return {
    ...(apart === true
      ? { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } }
      : {}),
    ...(node === undefined
      ? {}
      : { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } }),
  };
}
