import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted } from '../../../core/error.ts';
import type { KubernetesObject } from '../../../format/kubernetes.ts';
import type { KubernetesSite } from '../../../format/kubernetes-site.ts';
import type { Cluster, Named } from '../api/cluster.ts';
import { isForbidden } from '../api/failure.ts';
import { labels, MANAGER } from '../labels.ts';
import { ownerOf, restrictedNamespace } from '../namespace.ts';
import { metadataOf } from '../pods.ts';
import { pullSecretObject } from '../secrets.ts';

/** What marks everything that a probe makes. Its value is the part of the object in the probe. */
const PROBE = 'stowage.dev/probe';
const POLL_MS = 300;
const GONE_MS = 60_000;
/** Removal goes on when the command was interrupted. */
const CLEANUP_MS = 90_000;

/** The direction of connections, as seen from the pod that a policy selects. */
export type Direction = 'ingress' | 'egress';

/** Where probe pods of a site run. */
export interface ProbePlace {
  readonly cluster: Cluster;
  readonly site: string;
  readonly settings: KubernetesSite;
  /** Such as `linux/amd64`. */
  readonly platform: string;
  readonly namespace: string;
  readonly pullSecret?: string;
}

export interface ProbeRequest extends Omit<ProbePlace, 'namespace' | 'pullSecret'> {
  /** A namespace that exists; absent for one that is made for the probe and removed after it. */
  readonly namespace?: string;
  /** `name:token` for the registry. */
  readonly credentials?: Uint8Array;
}

/**
 * Runs probes, and removes everything that they made, also leftovers of a killed command. Every probe pod has its own deadline. A
 * namespace that was made for probes is empty at the end, and the cluster removes it: that takes five seconds or more.
 * @throws StowageError `engine-failed`, `interrupted`
 */
export async function withProbePlace<T>(
  request: ProbeRequest,
  work: (place: ProbePlace) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { cluster, site, settings, platform, credentials } = request;
  const own = request.namespace === undefined;
  const namespace = request.namespace ?? probeNamespace(settings, site);
  await removeProbes({ cluster, site, namespace, own }, signal);
  // Nothing can be created in one that is being removed.
  if (own) await untilGone(cluster, [{ kind: 'Namespace', name: namespace }], signal);
  try {
    if (own)
      await cluster.apply(restrictedNamespace(namespace, probeLabels(site, 'namespace')), signal);
    const place = { cluster, site, settings, platform, namespace };
    const pullSecret = await placePullSecret(place, credentials, signal);
    return await work(pullSecret === undefined ? place : { ...place, pullSecret });
  } finally {
    await removeProbes({ cluster, site, namespace, own }, AbortSignal.timeout(CLEANUP_MS));
  }
}

/** Removes what a killed command left of its probes. Nothing of another owner is removed. */
export async function removeLeftProbes(
  request: Omit<ProbeRequest, 'credentials' | 'platform'>,
  signal: AbortSignal,
): Promise<void> {
  const { cluster, site, settings, namespace } = request;
  if (namespace !== undefined) await removeProbes({ cluster, site, namespace, own: false }, signal);
  if (settings.namespace !== undefined) return;
  await removeProbes(
    { cluster, site, namespace: probeNamespace(settings, site), own: true },
    signal,
  );
}

/** The labels of an object of a probe. */
export function probeLabels(site: string, part: string): Record<string, string> {
  return { [labels.managedBy]: MANAGER, [labels.site]: site, [PROBE]: part };
}

/** The name of an object of a probe. */
export function probeName(site: string, part: string): string {
  return `stowage-probe-${site}-${part}`;
}

/** The part of a policy that denies connections in one direction. */
export function denial(direction: Direction): string {
  return `deny-${direction}`;
}

/** What selects every pod of a site's probes. */
export function probeSelector(site: string): object {
  return {
    matchLabels: { [labels.site]: site },
    matchExpressions: [{ key: PROBE, operator: 'Exists' }],
  };
}

/** Makes the secret with which nodes pull the images of probes. @returns its name; undefined where none is needed */
export async function placePullSecret(
  { cluster, site, settings, namespace }: ProbePlace,
  credentials: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { registry, pullSecret } = settings.images;
  if (pullSecret !== undefined || credentials === undefined) return pullSecret;
  const name = probeName(site, 'pull');
  const metadata = { name, namespace, labels: probeLabels(site, 'pull') };
  const object: KubernetesObject = pullSecretObject(metadata, registry, credentials);
  await cluster.apply(object, signal);
  return name;
}

/** `deny` is of earlier versions, which denied both directions at once. */
const DENIALS: readonly string[] = [denial('ingress'), denial('egress'), 'deny'];

interface Removal {
  readonly cluster: Cluster;
  readonly site: string;
  readonly namespace: string;
  /** Whether the namespace was made for probes. */
  readonly own: boolean;
}

async function removeProbes(
  { cluster, site, namespace, own }: Removal,
  signal: AbortSignal,
): Promise<void> {
  const places: Named[] = [
    ...(await podsOfProbes(cluster, site, namespace, signal)),
    { kind: 'Secret', namespace, name: probeName(site, 'pull') },
    ...DENIALS.map((part): Named => {
      return { kind: 'NetworkPolicy', namespace, name: probeName(site, part) };
    }),
  ];
  const removed: Named[] = [];
  for (const place of places)
    if (await removeIfProbe(cluster, site, place, signal)) removed.push(place);
  if (own) await removeIfProbe(cluster, site, { kind: 'Namespace', name: namespace }, signal);
  await untilGone(cluster, removed, signal);
}

/** @returns whether it existed */
async function removeIfProbe(
  cluster: Cluster,
  site: string,
  place: Named,
  signal: AbortSignal,
): Promise<boolean> {
  const found = (await cluster.tryGet(place, signal)).object;
  if (found === undefined || !isProbe(found, site)) return false;
  // A node that pulls from a registry without an answer ends a pod only after minutes.
  await cluster.remove(place, signal, { atOnce: place.kind === 'Pod' });
  return true;
}

/** Waits a minute at most. */
async function untilGone(
  cluster: Cluster,
  places: readonly Named[],
  signal: AbortSignal,
): Promise<void> {
  const began = performance.now();
  for (const place of places)
    while ((await cluster.tryGet(place, signal)).object !== undefined) {
      if (performance.now() - began >= GONE_MS) return;
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) throw interrupted(signal);
    }
}

async function podsOfProbes(
  cluster: Cluster,
  site: string,
  namespace: string,
  signal: AbortSignal,
): Promise<Named[]> {
  const places: Named[] = [];
  try {
    const selected = { kind: 'Pod', namespace, labels: { [labels.site]: site } } as const;
    for await (const each of cluster.list(selected, signal))
      if (isProbe(each, site))
        places.push({ kind: 'Pod', namespace, name: String(metadataOf(each)['name']) });
  } catch (error) {
    if (!isForbidden(error)) throw error;
  }
  return places;
}

function isProbe(found: Readonly<Record<string, unknown>>, site: string): boolean {
  const own = metadataOf(found)['labels'];
  return ownerOf(found) === site && typeof own === 'object' && own !== null && PROBE in own;
}

/** A release could only have it if it were named `probe-` and the site's id. */
function probeNamespace({ namespacePrefix }: KubernetesSite, site: string): string {
  return `${namespacePrefix}probe-${site}`.replace(/^(?=[0-9])/, 's-');
}
