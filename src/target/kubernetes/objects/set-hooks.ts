import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted, StowageError } from '../../../core/error.ts';
import { fieldsOf, textOf } from '../../../core/json.ts';
import type {
  KubernetesHook,
  KubernetesObject,
  KubernetesSet,
} from '../../../format/kubernetes.ts';
import type { hookEvents } from '../../../format/rendered-objects.ts';
import { removeAndWait } from '../api/await-gone.ts';
import { type Found, required } from '../api/cluster.ts';
import { placedText } from '../api/object-api.ts';
import { metadataOf } from '../pods.ts';
import { applyPatiently } from './apply-patiently.ts';
import { type Awaiting, awaitReady, lastLines, podsOfObject } from './await-ready.ts';
import { foreignObject, isOurs } from './set-owner.ts';
import { inInstallOrder, isDefinition, type PlacedObject, placeEach } from './sets.ts';

export type HookEvent = (typeof hookEvents)[number];

const HOOK = 'helm.sh/hook';
const POLICY = 'helm.sh/hook-delete-policy';
const POLL_MS = 500;

/** The hooks of an event: by weight, then in the order of kinds and by name, as Helm runs them. Pure. */
export function hooksOf({ hooks = [] }: KubernetesSet, event: HookEvent): KubernetesHook[] {
  const its = hooks.filter(({ events }) => events.includes(event));
  const ordered = inInstallOrder(
    its
      .map(({ object }) => object)
      .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
  );
  return its.toSorted(
    (a, b) => a.weight - b.weight || ordered.indexOf(a.object) - ordered.indexOf(b.object),
  );
}

/**
 * Runs the hooks of an event, one after another: a Job or pod until it ended, and every other object is made. Whatever has the
 * name of a hook is removed before, if it is this release's.
 * @throws StowageError `gate-failed` with the last lines of the hook that failed
 */
export async function runHooks(of: Awaiting, event: HookEvent, signal: AbortSignal): Promise<void> {
  const done: PlacedObject[] = [];
  for (const { object } of hooksOf(of.set, event)) {
    for (const each of await placeEach(of, [object], signal)) {
      await runHook(of, each, event, signal);
      done.push(each);
    }
  }
  for (const each of done.toReversed())
    if (policiesOf(each.object).includes('hook-succeeded')) await removeHook(of, each, signal);
}

/** What hooks leave behind and a release uses: all but what runs, and what its chart wants removed at once. Pure. */
export function lastingHooks({ hooks = [] }: KubernetesSet): KubernetesObject[] {
  return hooks
    .filter(
      ({ events, object }) =>
        !runs(object) &&
        !policiesOf(object).includes('hook-succeeded') &&
        events.some((each) => /^(?:pre|post)-(?:install|upgrade)$/.test(each)),
    )
    .map(({ object }) => object);
}

/** Whether a hook is a program that ends. */
export function runs({ apiVersion, kind }: KubernetesObject): boolean {
  return (apiVersion === 'batch/v1' && kind === 'Job') || (apiVersion === 'v1' && kind === 'Pod');
}

async function runHook(
  of: Awaiting,
  each: PlacedObject,
  event: HookEvent,
  signal: AbortSignal,
): Promise<void> {
  const { api } = of;
  await removeHook(of, each, signal);
  required(await applyPatiently(api, each, signal), `apply ${placedText(each.placed)}`);
  if (!runs(each.object)) return;
  try {
    if (each.object.kind === 'Job') await awaitReady(of, [each], signal);
    else await awaitPod(of, each, signal);
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'gate-failed') throw error;
    const { found = '', hint = '', defects } = error;
    const failure = new StowageError(
      'gate-failed',
      `the ${event} hook ${placedText(each.placed)} of ${of.set.name} failed`,
      { expected: 'a hook that succeeds', found, hint, defects, cause: error },
    );
    if (policiesOf(each.object).includes('hook-failed')) await removeHook(of, each, signal);
    throw failure;
  }
}

/** A pod that runs to its end. One that cannot start is found as that of any workload. */
async function awaitPod(of: Awaiting, each: PlacedObject, signal: AbortSignal): Promise<void> {
  await awaitReady(of, [each], signal);
  for (;;) {
    if (signal.aborted) throw interrupted(signal);
    const found = await of.api.get(each.placed, signal);
    const { phase } = fieldsOf(found?.['status']);
    if (phase === 'Succeeded') return;
    if (found === undefined || phase === 'Failed') {
      const [pod] =
        found === undefined ? [] : await podsOfObject(of.api, each.placed, found, signal);
      throw new StowageError('gate-failed', `${placedText(each.placed)} failed`, {
        expected: 'a pod that ends with status 0',
        found:
          found === undefined
            ? 'somebody removed it while it ran'
            : `exit code ${pod?.ended?.exitCode ?? 'unknown'}`,
        hint: 'the lines below are the last that it wrote; send them to the release engineer',
        defects: pod === undefined ? [] : await lastLines(of.api, each.placed, pod, signal),
      });
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/** Removes a hook of this release and waits until it is gone. A definition stays: every object of it would go with it. */
async function removeHook(
  { api, workload, set }: Awaiting,
  { placed, object }: PlacedObject,
  signal: AbortSignal,
): Promise<void> {
  const found = await api.get(placed, signal);
  if (found === undefined) return;
  if (!isOurs(found, workload, object) && !(set.adopt === true && isHookOfHelm(found)))
    throw foreignObject(placed, found, true);
  if (!isDefinition(object)) await removeAndWait(api, placed, signal);
}

/** Whether Helm left an object that it made as a hook: such an object has no use anymore. */
export function isHookOfHelm(found: Found): boolean {
  return textOf(fieldsOf(metadataOf(found)['annotations'])[HOOK], 1024) !== undefined;
}

function policiesOf({ metadata: { annotations = {} } }: KubernetesObject): string[] {
  return (annotations[POLICY] ?? '').split(',').map((each) => each.trim());
}
