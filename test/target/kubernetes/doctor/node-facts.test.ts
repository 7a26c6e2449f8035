import { describe, expect, it } from 'vitest';
import { nodeFacts } from '../../../../src/target/kubernetes/doctor/node-facts.ts';

/** As a kubelet of Kubernetes 1.36 writes it. */
function node(heartbeat: string, written: string, manager = 'kubelet'): Record<string, unknown> {
  return {
    metadata: {
      name: 'n1',
      managedFields: [
        { manager: 'kubelet', operation: 'Update', time: '2020-01-01T00:00:00Z' },
        { manager, operation: 'Update', subresource: 'status', time: written },
      ],
    },
    status: {
      allocatable: { cpu: '2', memory: '4Gi', 'nvidia.com/gpu': '8' },
      conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: heartbeat }],
      nodeInfo: { kubeletVersion: 'v1.36.3', containerRuntimeVersion: 'containerd://2.3.7' },
    },
  };
}

describe('when a node is read', () => {
  it('has its versions and devices', () => {
    expect(nodeFacts(node('2026-11-29T04:28:20Z', '2026-11-29T04:28:20Z'))).toEqual({
      ...{ name: 'n1', ready: true, kubelet: 'v1.36.3', runtime: 'containerd://2.3.7' },
      ...{ devices: { 'nvidia.com/gpu': 8 }, clockSeconds: 0 },
    });
  });

  it.each([
    ['ahead', '2026-11-29T04:30:20Z', 120],
    ['behind', '2026-11-29T04:28:13Z', -7],
  ])('has a clock that is %s', (_, heartbeat, seconds) => {
    const facts = nodeFacts(node(heartbeat, '2026-11-29T04:28:20Z'));
    expect(facts.clockSeconds).toBe(seconds);
  });

  it.each([
    ['a node without a kubelet', node('2026-11-29T04:28:20Z', '2026-11-29T04:28:20Z', 'kwok')],
    ['a node without a heartbeat', node('', '2026-11-29T04:28:20Z')],
    ['an object without anything', {}],
  ])('claims no clock for %s', (_, object) => {
    expect(nodeFacts(object).clockSeconds).toBeUndefined();
  });
});
