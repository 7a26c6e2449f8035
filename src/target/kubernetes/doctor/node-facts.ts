import { type Fields, fieldsOf, listOf, textOf } from '../../../core/json.ts';
import type { Found } from '../api/cluster.ts';
import { metadataOf } from '../pods.ts';
import { quantity } from '../quantity.ts';

/** A node as its kubelet reports it. */
export interface NodeFacts {
  readonly name: string;
  readonly ready: boolean;
  /** Such as `v1.36.3`. */
  readonly kubelet: string;
  /** Such as `containerd://2.3.7`. */
  readonly runtime: string;
  /** Amounts of devices by resource name, such as `nvidia.com/gpu`. */
  readonly devices: Readonly<Record<string, number>>;
  /** How far its clock is ahead of the API server's, in seconds; undefined for a node that does not report it. */
  readonly clockSeconds?: number;
}

export function nodeFacts(node: Found): NodeFacts {
  const metadata = metadataOf(node);
  const status = fieldsOf(node['status']);
  const { kubeletVersion, containerRuntimeVersion } = fieldsOf(status['nodeInfo']);
  const ready = listOf(status['conditions']).find(({ type }) => type === 'Ready');
  const clock = clockSeconds(metadata, ready);
  return {
    name: textOf(metadata['name']) ?? '',
    ready: ready?.['status'] === 'True',
    kubelet: textOf(kubeletVersion) ?? 'unknown',
    runtime: textOf(containerRuntimeVersion) ?? 'unknown',
    devices: Object.fromEntries(
      Object.entries(fieldsOf(status['allocatable']))
        .filter(([resource]) => resource.includes('/'))
        .map(([resource, amount]) => [resource, quantity(amount)]),
    ),
    ...(clock === undefined ? {} : { clockSeconds: clock }),
  };
}

/** A kubelet writes its own time into each heartbeat, and the API server notes its own for the same write. */
function clockSeconds(metadata: Fields, ready: Fields | undefined): number | undefined {
  const write = listOf(metadata['managedFields']).find(
    ({ manager, subresource }) => manager === 'kubelet' && subresource === 'status',
  );
  const own = Date.parse(textOf(ready?.['lastHeartbeatTime']) ?? '');
  const servers = Date.parse(textOf(write?.['time']) ?? '');
  return Number.isNaN(own) || Number.isNaN(servers) ? undefined : (own - servers) / 1000;
}
