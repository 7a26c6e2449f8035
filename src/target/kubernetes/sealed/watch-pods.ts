import { setTimeout as sleep } from 'node:timers/promises';
import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import type { Cluster } from '../api/cluster.ts';
import { labels } from '../labels.ts';
import { podUse } from '../pod-use.ts';
import { metadataOf } from '../pods.ts';

/** What was seen of the pods of a rehearsal. */
export interface WatchedPods {
  /** The service that had an address. */
  readonly services: ReadonlyMap<string, string>;
  /** The most memory of each service in the metrics of the cluster, in bytes. */
  readonly peaks: ReadonlyMap<string, number>;
  /** The most memory of all services together; undefined without metrics. */
  readonly peakBytes?: number;
  /** Why there are no metrics. */
  readonly unmeasured?: string;
}

const LOOK_MS = 1_000;
/** Every so many looks, memory is read: metrics-server itself measures every 15 s. */
const MEASURE_EVERY = 5;

/** Looks once a second for the addresses of the pods in the namespace of a rehearsal, until it is stopped. */
export function watchPods(
  cluster: Cluster,
  {
    namespace,
    site,
    services: names,
  }: { readonly namespace: string; readonly site: string; readonly services: readonly string[] },
  signal: AbortSignal,
): { stop(): Promise<WatchedPods> } {
  const services = new Map<string, string>();
  const peaks = new Map<string, number>();
  let peakBytes: number | undefined;
  let unmeasured: string | undefined;
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  const look = async (): Promise<void> => {
    const selected = { kind: 'Pod', namespace, labels: { [labels.site]: site } } as const;
    for await (const pod of cluster.list(selected, both)) {
      const service = textOf(fieldsOf(metadataOf(pod)['labels'])[labels.service]);
      if (service === undefined) continue;
      for (const { ip } of listOf(fieldsOf(pod['status'])['podIPs'])) {
        const address = textOf(ip);
        if (address !== undefined) services.set(address, service);
      }
    }
  };
  const measure = async (): Promise<void> => {
    let sum = 0;
    for (const name of names) {
      const own = { [labels.site]: site, [labels.service]: name };
      const { memoryBytes, unknown } = await podUse(cluster, { namespace, labels: own }, both);
      if (memoryBytes === undefined) {
        unmeasured = unknown;
        continue;
      }
      sum += memoryBytes;
      peaks.set(name, Math.max(peaks.get(name) ?? 0, memoryBytes));
    }
    if (sum > 0) peakBytes = Math.max(peakBytes ?? 0, sum);
  };
  const watching = (async () => {
    for (let looks = 0; !both.aborted; looks++) {
      // The namespace comes and goes.
      await look().catch(() => undefined);
      if (looks % MEASURE_EVERY === 0) await measure().catch(() => undefined);
      await sleep(LOOK_MS, undefined, { signal: both }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      ended.abort();
      await watching;
      return {
        ...{ services, peaks },
        ...(peakBytes === undefined ? {} : { peakBytes }),
        ...(unmeasured === undefined || peakBytes !== undefined ? {} : { unmeasured }),
      };
    },
  };
}
