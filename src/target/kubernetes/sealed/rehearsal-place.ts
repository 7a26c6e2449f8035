import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError } from '../../../core/error.ts';
import { fieldsOf, textOf } from '../../../core/json.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import type { Cluster, Found, Named } from '../api/cluster.ts';
import { isForbidden } from '../api/failure.ts';
import type { Kind } from '../api/kinds.ts';
import { type ProbePlace, placePullSecret } from '../doctor/probe-place.ts';
import { labels, MANAGER } from '../labels.ts';
import { ownerOf, restrictedNamespace } from '../namespace.ts';
import { metadataOf } from '../pods.ts';

/** Marks the namespace of the sink, by which a rehearsal is found that was killed. */
const REHEARSAL = 'stowage.dev/rehearsal';
/** When the command of a rehearsal was last alive, by the clock of the API server. */
const ALIVE = 'stowage.dev/alive';
const BEAT_MS = 5_000;
/** A rehearsal that was not heard of for as long was killed. */
const DEAD_MS = 45_000;
const POLL_MS = 500;
const GONE_MS = 180_000;
/** The prefix of every namespace of one rehearsal, and what is removed: nothing else is, whatever its labels are. */
const PREFIX = /^stowage-rehearsal-[0-9a-f]{8}-/;
const SITE_ID = /^[0-9a-f]{8}$/;
/** What a rehearsal leaves that lies in no namespace. */
const WITHOUT_NAMESPACE: readonly Kind[] = ['Namespace', 'PersistentVolume'];

/** `namespacePrefix` of a rehearsal. @param id 8 hex digits */
export function rehearsalPrefix(id: string): string {
  return `stowage-rehearsal-${id}-`;
}

/**
 * Makes the namespace of the sink, and removes every namespace and volume of the throw-away site at the end, also after an
 * interrupt.
 * @throws StowageError `engine-failed`, also if something stays, and what `work` throws
 */
export async function withRehearsalPlace<T>(
  request: Omit<ProbePlace, 'namespace' | 'pullSecret'> & { readonly credentials: Uint8Array },
  work: (place: ProbePlace) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { cluster, site, settings, platform, credentials } = request;
  const namespace = `${settings.namespacePrefix}sink`;
  const object = (alive: Date): KubernetesObject => {
    const own = { [labels.managedBy]: MANAGER, [labels.site]: site, [REHEARSAL]: 'sink' };
    const made = restrictedNamespace(namespace, own);
    const annotations = { [ALIVE]: alive.toISOString() };
    return { ...made, metadata: { ...made.metadata, annotations } } as KubernetesObject;
  };
  const ended = new AbortController();
  const rehearsed = { site, prefix: settings.namespacePrefix };
  let beats: Promise<void> | undefined;
  const clear = async (): Promise<void> => {
    ended.abort();
    await beats;
    await removeRehearsal(cluster, rehearsed);
  };
  const run = async (): Promise<T> => {
    await cluster.apply(object(await serverTime(cluster, signal)), signal);
    beats = keepAlive(cluster, object, AbortSignal.any([signal, ended.signal]));
    const place = { cluster, site, settings, platform, namespace };
    const pullSecret = await placePullSecret(place, credentials, signal);
    return work(pullSecret === undefined ? place : { ...place, pullSecret });
  };
  const result = await run().catch(async (error: unknown) => {
    // What stays is removed by the next rehearsal: why this one failed says more.
    await clear().catch(() => undefined);
    throw error;
  });
  await clear();
  return result;
}

async function keepAlive(
  cluster: Cluster,
  object: (alive: Date) => KubernetesObject,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(BEAT_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    // One that is missed says nothing: there are several before a rehearsal counts as killed.
    await serverTime(cluster, signal)
      .then((now) => cluster.tryApply(object(now), signal))
      .catch(() => undefined);
  }
}

async function serverTime(cluster: Cluster, signal: AbortSignal): Promise<Date> {
  return (await cluster.time(signal)) ?? new Date();
}

/**
 * Removes what killed rehearsals left in this cluster.
 * @returns how many others may still be under way
 */
export async function removeKilledRehearsals(
  cluster: Cluster,
  signal: AbortSignal,
): Promise<number> {
  const now = (await serverTime(cluster, signal)).getTime();
  let alive = 0;
  for (const { name, object } of await listed(
    cluster,
    'Namespace',
    { [REHEARSAL]: 'sink' },
    signal,
  )) {
    const site = ownerOf(object) ?? '';
    const [prefix] = PREFIX.exec(name) ?? [];
    if (prefix === undefined || !SITE_ID.test(site)) continue;
    const beat = textOf(fieldsOf(metadataOf(object)['annotations'])[ALIVE]) ?? '';
    const silent = now - Date.parse(beat);
    if (silent < DEAD_MS) alive += 1;
    else await removeRehearsal(cluster, { site, prefix });
  }
  return alive;
}

/** Waits as long as a rehearsal that was just killed may seem alive. @param began on the monotonic clock, milliseconds */
export async function untilKilledSeemDead(began: number, signal: AbortSignal): Promise<void> {
  const left = DEAD_MS + BEAT_MS - (performance.now() - began);
  if (left > 0) await sleep(left, undefined, { signal }).catch(() => undefined);
}

interface Rehearsed {
  readonly site: string;
  readonly prefix: string;
}

/** The namespace of the sink goes last: by it, the rest is found. @throws StowageError `engine-failed` if something stays */
async function removeRehearsal(cluster: Cluster, { site, prefix }: Rehearsed): Promise<void> {
  const signal = AbortSignal.timeout(GONE_MS + 60_000);
  const last = `${prefix}sink`;
  const own = { [labels.managedBy]: MANAGER, [labels.site]: site };
  const places: Named[] = [];
  for (const kind of WITHOUT_NAMESPACE)
    for (const { name } of await listed(cluster, kind, own, signal))
      if (kind !== 'Namespace' || (name.startsWith(prefix) && name !== last))
        places.push({ kind, name });
  await removed(cluster, places, signal);
  const sink = { kind: 'Namespace', name: last } as const;
  const found = (await cluster.tryGet(sink, signal)).object;
  if (found !== undefined && ownerOf(found) === site) await removed(cluster, [sink], signal);
}

async function removed(
  cluster: Cluster,
  places: readonly Named[],
  signal: AbortSignal,
): Promise<void> {
  for (const place of places) await cluster.remove(place, signal);
  const until = performance.now() + GONE_MS;
  for (const place of places)
    while ((await cluster.tryGet(place, signal)).object !== undefined) {
      if (performance.now() >= until) throw notRemoved(place);
      await sleep(POLL_MS);
    }
}

/** Objects of a kind with these labels. */
async function listed(
  cluster: Cluster,
  kind: Kind,
  selected: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly object: Found }[]> {
  const found: { readonly name: string; readonly object: Found }[] = [];
  try {
    for await (const object of cluster.list({ kind, labels: selected }, signal))
      found.push({ name: textOf(metadataOf(object)['name']) ?? '', object });
  } catch (error) {
    // An account that may not list volumes made none.
    if (kind === 'Namespace' || !isForbidden(error)) throw error;
  }
  return found;
}

function notRemoved({ kind, name }: Named): StowageError {
  return new StowageError('engine-failed', `${kind} ${name} of the rehearsal is not removed`, {
    expected: `no ${kind} ${name} after ${GONE_MS / 1000} s`,
    found: 'it is still being deleted',
    hint: `kubectl get ${kind.toLowerCase()} ${name} --output yaml names what holds it; the next rehearsal in this cluster tries again`,
  });
}
