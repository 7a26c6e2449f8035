import { fieldsOf, listOf } from '../../core/json.ts';
import type { ResourceUse } from '../target.ts';
import type { Cluster } from './api/cluster.ts';
import { quantity } from './quantity.ts';

/**
 * Pod metrics, as metrics-server and adapters of Prometheus serve them: memory, and processors in use on average over some seconds
 * (https://github.com/kubernetes/metrics, v1beta1).
 */
const METRICS = '/apis/metrics.k8s.io/v1beta1';
/** How long an answer is waited for. The API server itself gives up on a metrics-server that hangs only after a minute. */
const ANSWER_MS = 2_000;

/** The pods of a service. */
export interface MeasuredPods {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What the pods of a service use together, or why that is unknown: many clusters have no pod metrics. */
export async function podUse(
  cluster: Pick<Cluster, 'text'>,
  { namespace, labels }: MeasuredPods,
  signal: AbortSignal,
): Promise<ResourceUse> {
  const labelSelector = Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
  const path = `${METRICS}/namespaces/${encodeURIComponent(namespace)}/pods?${new URLSearchParams({ labelSelector })}`;
  // Asked once: metrics are not worth a wait.
  const limit = AbortSignal.timeout(ANSWER_MS);
  const { status, text } = await cluster
    .text(path, AbortSignal.any([signal, limit]))
    .catch((error: unknown) => {
      if (signal.aborted || !limit.aborted) throw error;
      return { status: 0, text: '' };
    });
  if (status !== 200) return { unknown: reasonOf(status) };
  const containers = podsIn(text).flatMap((pod) => listOf(pod['containers']));
  if (containers.length === 0) return { unknown: 'the cluster has no metrics of its pods yet' };
  const sum = (name: string): number =>
    containers.reduce((total, { usage }) => total + quantity(fieldsOf(usage)[name]), 0);
  return { cpus: sum('cpu'), memoryBytes: Math.round(sum('memory')) };
}

function podsIn(text: string): ReturnType<typeof listOf> {
  try {
    return listOf(fieldsOf(JSON.parse(text))['items']);
  } catch {
    return [];
  }
}

function reasonOf(status: number): string {
  switch (status) {
    case 404:
      return 'the cluster has no pod metrics (metrics.k8s.io, which metrics-server provides)';
    case 401:
    case 403:
      return 'this account may not list pods of metrics.k8s.io';
    default:
      return 'the pod metrics of the cluster (metrics.k8s.io) do not answer';
  }
}
