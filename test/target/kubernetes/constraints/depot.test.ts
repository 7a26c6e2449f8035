import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { ClusterConstraintInput } from '../../../../src/target/kubernetes/constraints/constraint.ts';
import { depot } from '../../../../src/target/kubernetes/constraints/depot.ts';
import { bundleFrom, clusterSite, deployed, generationOf, twoServices } from '../rendered.ts';

async function judged(registry: string, from: 'direct' | 'mirror' | 'push') {
  const bundle = bundleFrom(twoServices);
  const settings = clusterSite({ images: { from, registry, prefix: '' } });
  const release = deployed(bundle, settings);
  const change = {
    ...({ intent: 'install', from: generationOf(0), to: generationOf(1, release) } as const),
    bundles: new Map([[release.bundle, bundle]]),
  };
  const { signal } = new AbortController();
  return depot({ change, settings, signal } as unknown as ClusterConstraintInput);
}

describe('when nodes pull from a depot', () => {
  it.each(['direct', 'mirror'] as const)('says whether it answers: %s', async (from) => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const registry = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    expect(await judged(registry, from)).toMatchObject([{ rule: 'depot', satisfied: true }]);
    await new Promise((resolve) => server.close(resolve));
    const [found] = await judged(registry, from);
    expect(found?.satisfied).toBe(false);
    expect(found?.found).toMatch(/^ECONNREFUSED; .*depot --install --listen 127\.0\.0\.1:\d+ /);
  });

  it('says nothing of the registry of the site', async () => {
    expect(await judged('127.0.0.1:1', 'push')).toEqual([]);
  });
});
