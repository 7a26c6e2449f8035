import { describe, expect, it } from 'vitest';
import type { Cluster, Selection } from '../../../src/target/kubernetes/api/cluster.ts';
import { Outages } from '../../../src/target/kubernetes/api/outages.ts';
import { startService } from '../../../src/target/kubernetes/start.ts';
import { expectCode } from '../../support/error.ts';
import { bundleFrom, twoServices, workload } from './rendered.ts';

const { signal } = new AbortController();
const spanning = twoServices.replace(
  '    mounts:',
  '    nodes: { count: 2, ports: [29500], worker: { args: [] } }\n    mounts:',
);

/** A pod of a group whose process ended, and which its controller deletes for that. */
function ended(uid: number, exitCode: number): object {
  const terminated = { exitCode, reason: 'Error', message: 'no leader\n' };
  return {
    metadata: { name: 'back-0-1', uid: String(uid), deletionTimestamp: '2026-11-29T10:00:00Z' },
    status: { containerStatuses: [{ state: { terminated } }] },
  };
}

describe('when the pods of a service end while it starts', () => {
  it('gives the reason of the last one, although each is replaced by another', async () => {
    let uid = 0;
    const cluster = {
      outages: new Outages(),
      get: async () => ({
        spec: { clusterIP: '10.96.0.9' },
        status: { conditions: [{ type: 'Progressing', status: 'True' }] },
      }),
      apply: async () => ({}),
      async *list({ kind }: Selection) {
        if (kind !== 'Pod') return;
        uid += 1;
        yield ended(uid, uid);
      },
    } as unknown as Cluster;
    const whole = workload(bundleFrom(spanning));
    const [service] = whole.services;
    if (service === undefined) throw new Error('no service');
    const error = await expectCode(
      () => startService({ cluster, workload: whole, service }, signal),
      'gate-failed',
    );
    expect(error.found).toMatch(/exits again and again: exit code [3-9]: no leader/);
  });
});
