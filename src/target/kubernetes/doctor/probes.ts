import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted } from '../../../core/error.ts';
import { fieldsOf, listOf } from '../../../core/json.ts';
import { oneLine } from '../../../core/text.ts';
import { pathOf } from '../api/kinds.ts';
import { isAbsentImage, isUnreachable, type StartFailure, startFailure } from '../start-failure.ts';
import { type ProbePlace, probeLabels, probeName, probeSelector } from './probe-place.ts';
import { createProbePod, type ProbePod, type ProbeState, watchProbePod } from './probe-pod.ts';
import {
  BLOCKED,
  CONNECTED,
  type ContainerState,
  containersFor,
  EMPTY,
  isAbsent,
  LISTED,
  programs,
} from './programs.ts';

/** How long a pod without a node is waited for. */
const PLACED_SECONDS = 15;
const MAX_TEXT = 400;
/** A program that no image has: a container with it is pulled and mounted, and runs nothing. */
const NOTHING = ['/stowage-probe-runs-nothing'];
/** The image that no registry has: asking for it shows TLS and credentials, and downloads nothing. */
const NO_DIGEST = `sha256:${'0'.repeat(64)}`;
const TRUST_SECONDS = 20;

/** What a probe showed, or why it showed nothing. */
export type Shown<T> =
  | { readonly shown: T; readonly unproven?: undefined }
  | { readonly unproven: string; readonly shown?: undefined };

export type PullResult =
  | { readonly result: 'pulled'; readonly node: string }
  /** @param images those that the node does not have yet */
  | { readonly result: 'pulling'; readonly node: string; readonly images: readonly string[] }
  | { readonly result: 'failed'; readonly node: string; readonly failure: StartFailure };

/** Whether one node pulls each of these images. Nothing in them runs. */
export async function probePull(
  place: ProbePlace,
  images: readonly string[],
  seconds: number,
  signal: AbortSignal,
): Promise<Shown<PullResult>> {
  const containers = images.map((image, index) => {
    return { name: `image-${index}`, image, command: NOTHING };
  });
  const pod: ProbePod = { part: 'pull', containers };
  const ended = await pulledPod(place, pod, { seconds, isDone: isPulled }, signal);
  return ended.unproven === undefined ? { shown: ended.shown.pull } : ended;
}

export interface VolumeResult {
  readonly pull: PullResult;
  /** What the container found in the volume; `unread` if the image has no program that could look. */
  readonly content?: 'some' | 'none' | 'unread' | 'dropped' | 'failed';
  /** Why, for `failed`. */
  readonly message?: string;
}

/** Whether pods can mount an image: really mounted, and read. */
export async function probeImageVolume(
  place: ProbePlace,
  { image, volume, subPath }: { image: string; volume: string; subPath?: string },
  seconds: number,
  signal: AbortSignal,
): Promise<Shown<VolumeResult>> {
  const mount = {
    ...{ name: 'content', mountPath: LISTED, readOnly: true },
    ...(subPath === undefined ? {} : { subPath }),
  };
  const pod: ProbePod = {
    part: 'volume',
    containers: containersFor('list', image, () => []).map((each) => {
      return { ...each, volumeMounts: [mount] };
    }),
    volumes: [{ name: 'content', image: { reference: volume, pullPolicy: 'Always' } }],
  };
  const ended = await pulledPod(place, pod, { seconds, isDone: hasEnded }, signal);
  if (ended.unproven !== undefined) return ended;
  const { pull, state } = ended.shown;
  if (pull.result !== 'pulled') return { shown: { pull } };
  return { shown: { pull, ...contentIn(state) } };
}

function contentIn({ object, containers }: ProbeState): Omit<VolumeResult, 'pull'> {
  const [volume = {}] = listOf(fieldsOf(object['spec'])['volumes']);
  // Before 1.35, a server without the feature gate drops the field and leaves an empty folder.
  if (volume['image'] === undefined) return { content: 'dropped' };
  const status = (code: number): boolean =>
    containers.some(({ ended }) => ended !== undefined && ended.exitCode === code);
  if (status(0)) return { content: 'some' };
  if (status(EMPTY)) return { content: 'none' };
  const other = containers.find((each) => !isAbsent(each));
  if (other === undefined) return { content: 'unread' };
  const { reason, message } = other.ended ?? other.waiting ?? { reason: '', message: '' };
  return { content: 'failed', message: oneLine(`${reason}: ${message}`, MAX_TEXT) };
}

/** Whether a node reaches the registry and trusts its certificate: asks for an image that does not exist. */
export async function probeTrust(
  place: ProbePlace,
  { node, part, registry }: { node: string; part: string; registry: string },
  signal: AbortSignal,
): Promise<Shown<StartFailure | 'trusted'>> {
  const image = `${registry}/stowage-probe@${NO_DIGEST}`;
  const pod: ProbePod = {
    ...{ part, node },
    containers: [{ name: 'image', image, command: NOTHING }],
  };
  const refused = await createProbePod(place, pod, signal);
  if (refused !== undefined) return { unproven: refused.message };
  const message = await watchProbePod(
    place,
    part,
    {
      seconds: TRUST_SECONDS,
      judge: ({ containers: [container] }) =>
        container !== undefined && isPullFailure(container)
          ? (container.waiting?.message ?? '')
          : undefined,
    },
    signal,
  );
  if (message === undefined)
    return { unproven: `node ${node} did not try within ${TRUST_SECONDS} s` };
  return { shown: isAbsentImage(message) ? 'trusted' : failureOf(message) };
}

async function pulledPod(
  place: ProbePlace,
  pod: ProbePod,
  { seconds, isDone }: { seconds: number; isDone: (container: ContainerState) => boolean },
  signal: AbortSignal,
): Promise<Shown<{ pull: PullResult; state: ProbeState }>> {
  const refused = await createProbePod(place, pod, signal);
  if (refused !== undefined) return { unproven: refused.message };
  let last: ProbeState | undefined;
  const began = performance.now();
  const judge = (state: ProbeState): Shown<{ pull: PullResult; state: ProbeState }> | undefined => {
    last = state;
    const { node, unscheduled = 'the pod was not scheduled to any node', containers } = state;
    if (node === undefined) {
      const late = performance.now() - began >= PLACED_SECONDS * 1000;
      return late ? { unproven: oneLine(unscheduled, MAX_TEXT) } : undefined;
    }
    const failed = containers.find((each) => isPullFailure(each) && isDecisive(each));
    if (failed !== undefined)
      return { shown: { pull: { result: 'failed', node, failure: failureIn(failed) }, state } };
    const all = containers.length === pod.containers.length && containers.every(isDone);
    return all ? { shown: { pull: { result: 'pulled', node }, state } } : undefined;
  };
  const found = await watchProbePod(place, pod.part, { seconds, judge }, signal);
  if (found !== undefined) return found;
  if (signal.aborted) throw interrupted(signal);
  if (last?.node === undefined) return { unproven: 'the pod was not scheduled to any node' };
  const done = new Set(last.containers.filter(isDone).map(({ name }) => name));
  const images = pod.containers.filter(({ name }) => !done.has(name)).map(({ image }) => image);
  return { shown: { pull: { result: 'pulling', node: last.node, images }, state: last } };
}

function isPullFailure({ waiting }: ContainerState): boolean {
  return /^(?:ErrImagePull|ImagePullBackOff|RegistryUnavailable|InvalidImageName)$/.test(
    waiting?.reason ?? '',
  );
}

/** Whether the first failure says enough: the kubelet waits for ten seconds before it tries again. */
function isDecisive(container: ContainerState): boolean {
  const { reason = '', message = '' } = container.waiting ?? {};
  return reason === 'ImagePullBackOff' || isUnreachable(message) || !failureIn(container).mayPass;
}

function hasEnded({ ended, waiting }: ContainerState): boolean {
  return ended !== undefined || /^(?:Run|Create)Container/.test(waiting?.reason ?? '');
}

/** A virtual node may report a container as running whose program no image has. */
function isPulled(container: ContainerState): boolean {
  return container.running || hasEnded(container);
}

function failureIn({ waiting }: ContainerState): StartFailure {
  return failureOf(waiting?.message ?? '');
}

function failureOf(message: string): StartFailure {
  const pod = { name: '', ready: false, deleted: false, restarts: 0, container: '' };
  const failure = startFailure({ ...pod, waiting: { reason: 'ErrImagePull', message } });
  return failure ?? { found: message, hint: 'see the events of the pod', mayPass: true };
}

/** How long the image may take to be pulled and started. */
const START_SECONDS = 120;
/** How long two pods may need until one reaches the other. */
const REACH_SECONDS = 20;
/** How long a network plugin may need until it enforces a new policy. */
const ENFORCE_SECONDS = 20;
const POLL_MS = 300;
export interface PolicyResult {
  readonly enforced: boolean;
  /** Where server and client ran. */
  readonly nodes: readonly string[];
}

/**
 * Whether the network plugin enforces a NetworkPolicy: a client reaches a server, then a policy denies all connections of both,
 * and the client still reaches it or not.
 * @param image of a release; it must have one of {@link programs}
 */
export async function probePolicy(
  place: ProbePlace,
  image: string,
  signal: AbortSignal,
): Promise<Shown<PolicyResult>> {
  const server = await startServer(place, image, signal);
  if (server.unproven !== undefined) return server;
  const { address, port } = server.shown;
  const seconds = START_SECONDS + REACH_SECONDS + ENFORCE_SECONDS;
  const containers = containersFor('connect', image, () => [address, port, String(seconds)]);
  const refused = await createProbePod(place, { part: 'client', containers, apart: true }, signal);
  if (refused !== undefined) return { unproven: refused.message };
  const client = await started(place, 'client', signal);
  if (client.unproven !== undefined) return client;
  const reached = await connected(place, client.shown, signal);
  if (!reached)
    return { unproven: 'one pod does not reach another, even without a policy of Stowage' };
  const denied = await deny(place, signal);
  if (denied !== undefined) return { unproven: denied };
  const ended = (state: ProbeState): number | undefined =>
    state.containers.find(({ ended: end }) => end?.exitCode === BLOCKED)?.ended?.exitCode;
  const watch = { seconds: ENFORCE_SECONDS, judge: ended };
  const blocked = await watchProbePod(place, 'client', watch, signal);
  const alive = await watchProbePod(
    place,
    'server',
    { seconds: 0, judge: ({ containers: all }) => all.some(({ running }) => running) },
    signal,
  );
  if (alive !== true) return { unproven: 'the server of the probe ended' };
  const nodes = [...new Set([server.shown.node, client.shown.node])];
  return { shown: { enforced: blocked !== undefined, nodes } };
}

interface Started {
  readonly address: string;
  readonly node: string;
  /** The programs of the image that run. */
  readonly running: readonly string[];
}

async function startServer(
  place: ProbePlace,
  image: string,
  signal: AbortSignal,
): Promise<Shown<Started & { readonly port: string }>> {
  const containers = containersFor('listen', image, ({ port }) => [String(port)]);
  const refused = await createProbePod(place, { part: 'server', containers }, signal);
  if (refused !== undefined) return { unproven: refused.message };
  const result = await started(place, 'server', signal);
  if (result.unproven !== undefined) return result;
  const { running } = result.shown;
  const port = programs.find(({ name }) => running.includes(name))?.port ?? 0;
  return { shown: { ...result.shown, port: String(port) } };
}

/** Waits until every program of a pod runs or turned out not to be in the image. */
async function started(
  place: ProbePlace,
  part: string,
  signal: AbortSignal,
): Promise<Shown<Started>> {
  let last: ProbeState | undefined;
  const judge = (state: ProbeState): Shown<Started> | undefined => {
    last = state;
    const { containers, address, node } = state;
    const running = containers.filter((each) => each.running).map(({ name }) => name);
    const known = containers.filter((each) => each.running || each.ended || isAbsent(each));
    if (containers.length < programs.length || known.length < containers.length) return undefined;
    if (running.length === 0) {
      const names = programs.map(({ name }) => name).join(', ');
      return { unproven: `the image of the probe has none of the programs ${names}` };
    }
    return address === undefined || node === undefined
      ? undefined
      : { shown: { address, node, running } };
  };
  const found = await watchProbePod(place, part, { seconds: START_SECONDS, judge }, signal);
  if (found !== undefined) return found;
  const why =
    last?.unscheduled ?? last?.containers.find(({ waiting }) => waiting)?.waiting?.message ?? '';
  return {
    unproven: oneLine(`a pod did not start within ${START_SECONDS} s: ${why}`, MAX_TEXT),
  };
}

/** Whether the client wrote that it reached the server. */
async function connected(
  { cluster, site, namespace }: ProbePlace,
  { running }: Started,
  signal: AbortSignal,
): Promise<boolean> {
  const until = performance.now() + REACH_SECONDS * 1000;
  const path = pathOf('Pod', namespace, probeName(site, 'client'));
  while (performance.now() < until) {
    for (const container of running) {
      const query = new URLSearchParams({ container, limitBytes: '4096' });
      const { text } = await cluster.text(`${path}/log?${query}`, signal);
      if (text.includes(CONNECTED)) return true;
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) throw interrupted(signal);
  }
  return false;
}

/** @returns why the cluster refuses the policy, or undefined */
async function deny(
  { cluster, site, namespace }: ProbePlace,
  signal: AbortSignal,
): Promise<string | undefined> {
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: probeName(site, 'deny'), namespace, labels: probeLabels(site, 'deny') },
    spec: { podSelector: probeSelector(site), policyTypes: ['Ingress', 'Egress'] },
  };
  return (await cluster.tryApply(policy, signal)).failure?.message;
}
