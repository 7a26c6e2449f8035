import { interrupted } from '../../../core/error.ts';
import { fieldsOf, listOf } from '../../../core/json.ts';
import { oneLine } from '../../../core/text.ts';
import { isAbsentImage, isUnreachable, type StartFailure, startFailure } from '../start-failure.ts';
import type { ProbePlace } from './probe-place.ts';
import { createProbePod, type ProbePod, type ProbeState, watchProbePod } from './probe-pod.ts';
import { type ContainerState, containersFor, EMPTY, isAbsent, LISTED } from './programs.ts';

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
