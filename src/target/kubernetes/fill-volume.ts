import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted, StowageError } from '../../core/error.ts';
import { fieldsOf, listOf } from '../../core/json.ts';
import { oneLine } from '../../core/text.ts';
import type { KubernetesObject, KubernetesWorkload } from '../../format/kubernetes.ts';
import type { SiteSupply } from '../target.ts';
import { type Cluster, type Found, objectText } from './api/cluster.ts';
import { type ApiFailure, refusedRequest } from './api/failure.ts';
import { KEEP_VARIABLE } from './fill.ts';
import { FILL_FAILED } from './fill-script.ts';
import { ownerOf, removeOurs } from './namespace.ts';
import { mainPod, metadataOf, type Pod, podsNamed } from './pods.ts';
import { type StartFailure, startFailure } from './start-failure.ts';
import { placeOf } from './workload.ts';

const POLL_MS = 500;
/** How long what may pass, such as a claim without a volume yet, is waited for. */
const PATIENCE_MS = 120_000;
const GONE_MS = 120_000;
const MAX_TEXT = 500;

interface Filling {
  readonly cluster: Cluster;
  readonly workload: KubernetesWorkload;
  /** The release in the other generation: its content stays. */
  readonly other?: KubernetesWorkload | undefined;
}

/**
 * Copies the content of a release to its claim, by a Job that is removed afterwards. What is there already is not copied
 * again. A Job of the same content that still runs is waited for.
 * @throws StowageError `gate-failed` naming the reason
 */
export async function fillVolume(of: Filling, signal: AbortSignal): Promise<void> {
  const { fill } = of.workload;
  if (fill === undefined) return;
  // A killed command may have left the Job that removes this content.
  if (fill.clear !== undefined) await removeJob(of, fill.clear, signal);
  const failure = await runJob(of, withKept(fill.job, [fill.folder, ...keptBy(of)]), signal);
  if (failure !== undefined) throw notFilled(of, failure);
}

/**
 * Removes what Stowage wrote to the claim for this release, except what the other generation has. A claim that is gone has
 * nothing to remove. A Job that cannot run keeps no release from being removed and no previous generation from coming back: then
 * `warn` gets what remains. It has its mark, so that the next Job of the release on this claim removes it.
 * @throws StowageError `engine-failed`
 */
export async function clearVolume(
  of: Filling & Pick<SiteSupply, 'warn'>,
  signal: AbortSignal,
): Promise<void> {
  const { cluster, workload, warn } = of;
  const { fill, namespace } = workload;
  if (fill === undefined) return;
  await removeJob(of, fill.job, signal);
  if (fill.clear === undefined) return;
  const claim = { kind: 'PersistentVolumeClaim', namespace, name: fill.claim } as const;
  const found = await cluster.tryGet(claim, signal);
  if (found.failure?.status === 404) return;
  const failure = await runJob(of, withKept(fill.clear, keptBy(of)), signal);
  if (failure !== undefined)
    warn(
      `content of release ${workload.release} may remain on claim ${namespace}/${fill.claim}, in folder ${fill.folder}, because the Job that removes it cannot run: ${failure.found}`,
      `${failure.hint}; then install the release again and uninstall it, or mount the claim in a pod and delete the folder`,
    );
}

function keptBy({ workload, other }: Filling): string[] {
  const { fill } = workload;
  return other?.fill === undefined || other.fill.claim !== fill?.claim ? [] : [other.fill.folder];
}

/** A Job with the folders whose content stays. */
function withKept(job: KubernetesObject, kept: readonly string[]): KubernetesObject {
  const spec = fieldsOf(job['spec']);
  const template = fieldsOf(spec['template']);
  const pod = fieldsOf(template['spec']);
  const containers = listOf(pod['containers']).map((each) => ({
    ...each,
    env: listOf(each['env']).map((variable) =>
      variable['name'] === KEEP_VARIABLE ? { ...variable, value: kept.join(' ') } : variable,
    ),
  }));
  return {
    ...job,
    spec: { ...spec, template: { ...template, spec: { ...pod, containers } } },
  };
}

/** Runs a Job to its end, and removes it. @returns why it does not complete; undefined if it did */
async function runJob(
  of: Filling,
  job: KubernetesObject,
  signal: AbortSignal,
): Promise<StartFailure | undefined> {
  const { cluster, workload } = of;
  const place = placeOf(job);
  const before = await cluster.get(place, signal);
  if (before !== undefined && ownerOf(before) !== workload.site) throw foreign(job, before);
  // One that ended says nothing of the volume now.
  if (before !== undefined && endOf(before) !== undefined) await removeJob(of, job, signal);
  if (before === undefined || endOf(before) !== undefined) {
    const { failure } = await cluster.tryApply(job, signal);
    if (failure !== undefined) return refusedJob(job, failure);
  }
  let passing: number | undefined;
  for (;;) {
    if (signal.aborted) throw interrupted(signal);
    const found = await cluster.get(place, signal);
    if (found !== undefined && endOf(found) === 'Complete') break;
    const pod = mainPod(await podsNamed(cluster, workload, job.metadata.name, signal));
    const failure = jobFailure(found, pod, workload);
    if (failure === undefined) passing = undefined;
    else {
      passing ??= performance.now();
      if (!failure.mayPass || performance.now() - passing >= PATIENCE_MS) {
        await removeJob(of, job, signal).catch(() => {});
        return failure;
      }
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
  await removeJob(of, job, signal);
  return undefined;
}

function refusedJob(job: KubernetesObject, failure: ApiFailure): StartFailure {
  const { message, found, hint } = refusedRequest(`apply ${objectText(job)}`, failure);
  return { found: found ?? message, hint, mayPass: false };
}

/** Deletes a Job of ours, and waits until its pods are gone: then nothing writes to the volume. */
async function removeJob(
  { cluster, workload }: Filling,
  job: KubernetesObject,
  signal: AbortSignal,
): Promise<void> {
  const place = placeOf(job);
  await removeOurs(cluster, workload, job, signal);
  const began = performance.now();
  for (;;) {
    const pods = await podsNamed(cluster, workload, job.metadata.name, signal);
    if (pods.length === 0 && (await cluster.get(place, signal)) === undefined) return;
    if (signal.aborted) throw interrupted(signal);
    if (performance.now() - began >= GONE_MS)
      throw new StowageError('engine-failed', `Job ${job.metadata.name} is not removed`, {
        expected: `no pod of it after ${GONE_MS / 1000} s`,
        found:
          pods.map(({ name, node = 'no node' }) => `${name} on ${node}`).join(', ') || 'the Job',
        hint: 'check with kubectl whether the node is lost or a finalizer holds the pod',
      });
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/** `Complete` or `Failed`; undefined while it runs. */
function endOf(job: Found): string | undefined {
  const conditions = listOf(fieldsOf(job['status'])['conditions']);
  const end = conditions.find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
  return typeof end?.['type'] === 'string' ? end['type'] : undefined;
}

const REMOVED: StartFailure = {
  found: 'somebody removed the Job while it ran',
  hint: 'run the command again, which continues the copy',
  mayPass: false,
};
/** Quota, PodSecurity or a webhook keep the controller from making one, and no condition of a Job says so. */
const NO_POD: StartFailure = {
  found: 'the cluster creates no pod for the Job',
  hint: 'kubectl describe job shows the reason, such as a quota or an admission webhook',
  mayPass: true,
};

/** Why a Job that is not complete does not get on; undefined while nothing is wrong. @param job undefined if it is gone */
export function jobFailure(
  job: Found | undefined,
  pod: Pod | undefined,
  workload: Pick<KubernetesWorkload, 'fill'>,
): StartFailure | undefined {
  if (job === undefined) return REMOVED;
  if (endOf(job) !== undefined) return endedFailure(pod, workload);
  if (pod === undefined) return NO_POD;
  return pod.ended === undefined ? startFailure(pod) : undefined;
}

/** What the last lines of the Job mean. */
function endedFailure(
  pod: Pod | undefined,
  { fill }: Pick<KubernetesWorkload, 'fill'>,
): StartFailure {
  const message = pod?.ended?.message ?? '';
  const claim = fill?.claim ?? '';
  const end = (found: string, hint: string): StartFailure => ({ found, hint, mayPass: false });
  const own = message.split('\n').find((line) => line.startsWith(FILL_FAILED));
  if (own !== undefined)
    return end(
      oneLine(own.slice(FILL_FAILED.length), MAX_TEXT),
      'if the owner of the claim wrote this folder, correct or remove it; otherwise run the command again',
    );
  if (/No space left on device|Disk quota exceeded/.test(message))
    return end(`the volume of claim ${claim} is full`, 'free space on it, or use a larger claim');
  if (/Read-only file system/.test(message))
    return end(
      `claim ${claim} cannot be written to`,
      'use a claim with access mode ReadWriteMany or ReadWriteOnce, or fill it yourself and remove kubernetes.fill',
    );
  if (/Permission denied/.test(message))
    return end(
      `the user of the service may not write to the volume of claim ${claim}`,
      'give the top folder of the volume to the user or group of the service',
    );
  if (/no such file or directory|not found/.test(message))
    return end(
      `the image has no shell, or lacks a program: ${oneLine(message, MAX_TEXT)}`,
      'add a small image with a shell, such as busybox, to the release, and name it in kubernetes.fill.image of site.yaml',
    );
  return end(
    message === '' ? 'the Job ended without a message' : oneLine(message, MAX_TEXT),
    'kubectl describe job shows more; then run the command again',
  );
}

function notFilled({ workload: { fill } }: Filling, { found, hint }: StartFailure): StowageError {
  return new StowageError('gate-failed', `claim ${fill?.claim} was not filled`, {
    expected: `the content of the release in folder ${fill?.folder}, as signed`,
    ...{ found, hint },
  });
}

function foreign({ metadata: { name } }: KubernetesObject, found: Found): StowageError {
  const { labels } = metadataOf(found);
  return new StowageError('engine-failed', `Job ${name} belongs to another owner`, {
    expected: 'no Job of this name, or one of this site',
    found: oneLine(JSON.stringify(labels ?? {}), MAX_TEXT),
    hint: 'check with kubectl what made it, and remove it',
  });
}
