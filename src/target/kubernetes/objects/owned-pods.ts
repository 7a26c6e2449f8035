import { textOf } from '../../../core/json.ts';
import type { Found } from '../api/cluster.ts';
import type { ObjectApi, Placed } from '../api/object-api.ts';
import { metadataOf, type Owner, ownersOf, type Pod, podsWith } from '../pods.ts';
import type { StartFailure } from '../start-failure.ts';
import { endText, startFailure } from '../start-failure.ts';

/** Objects between a custom resource and a pod: Knative has four. */
const MAX_DEPTH = 8;
/** Pods of one namespace that are looked at. */
const MAX_PODS = 1000;

/** The pods of custom resources: what their operators made, and what that made. */
export class OwnedPods {
  readonly #api: ObjectApi;
  readonly #owners = new Map<string, readonly Owner[]>();
  #pods = new Map<string, Promise<readonly Pod[]>>();

  constructor(api: ObjectApi) {
    this.#api = api;
  }

  /** What was read of pods is read anew from now on. */
  refresh(): void {
    this.#pods = new Map();
  }

  /** The pods of an object, newest last; those whose owners the account may not read are not found. */
  async of(found: Found, namespace: string, signal: AbortSignal): Promise<Pod[]> {
    const uid = textOf(metadataOf(found)['uid']);
    const pods = this.#pods.get(namespace) ?? podsWith(this.#api.cluster, { namespace }, signal);
    this.#pods.set(namespace, pods);
    const own: Pod[] = [];
    for (const pod of (await pods).slice(-MAX_PODS))
      if (uid !== undefined && (await this.#belongs(pod.owners ?? [], uid, namespace, signal)))
        own.push(pod);
    return own;
  }

  async #belongs(
    owners: readonly Owner[],
    uid: string,
    namespace: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    let level = owners;
    for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth += 1) {
      if (level.some((each) => each.uid === uid)) return true;
      const above: Owner[] = [];
      for (const each of level) above.push(...(await this.#above(each, namespace, signal)));
      level = above;
    }
    return false;
  }

  /** What an owner belongs to itself: an object that exists does not change that. */
  async #above(owner: Owner, namespace: string, signal: AbortSignal): Promise<readonly Owner[]> {
    const { apiVersion, kind, name, uid = '' } = owner;
    const key = `${apiVersion} ${kind} ${namespace} ${name} ${uid}`;
    const known = this.#owners.get(key);
    if (known !== undefined) return known;
    const placed = await this.#place(owner, namespace, signal);
    if (placed === undefined) return [];
    const { object } = await this.#api.tryGet(placed, signal);
    if (object === undefined) return [];
    const owners = ownersOf(object);
    this.#owners.set(key, owners);
    return owners;
  }

  async #place(
    { apiVersion, kind, name }: Owner,
    namespace: string,
    signal: AbortSignal,
  ): Promise<Placed | undefined> {
    const object = { apiVersion, kind, metadata: { name } };
    return this.#api.place(object, namespace, signal).catch(() => undefined);
  }
}

/**
 * Why the pods of a custom resource do not get ready; undefined if they only take their time. Of what one owner made, the newest
 * pod decides: those of an earlier version may fail until it is ready. A process that ends may pass, because operators let
 * pods wait for each other that way.
 */
export function ownedFailure(pods: readonly Pod[]): StartFailure | undefined {
  const newest = new Map<string, Pod>();
  for (const pod of pods.filter(({ deleted, ready }) => !deleted && !ready)) {
    const [owner] = pod.owners ?? [];
    newest.set(`${owner?.kind} ${owner?.name}`, pod);
  }
  const failures = [...newest.values()].flatMap((pod) => crash(pod) ?? startFailure(pod) ?? []);
  return failures.find(({ mayPass }) => !mayPass) ?? failures[0];
}

/** A process that ended with an error, also while it is started again. */
function crash({ name, restarts, ended, waiting }: Pod): StartFailure | undefined {
  const isCrash = waiting === undefined || waiting.reason === 'CrashLoopBackOff';
  if (!isCrash || restarts === 0 || ended === undefined || ended.exitCode === 0) return undefined;
  return {
    found: `the process of pod ${name} exits again and again: ${endText(ended)}`,
    hint: 'the lines below are the last that it wrote; send them to the release engineer',
    mayPass: true,
  };
}
