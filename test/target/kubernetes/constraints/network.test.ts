import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Bundle } from '../../../../src/format/bundle.ts';
import type { Isolation } from '../../../../src/format/isolation.ts';
import type { ClusterConstraintInput } from '../../../../src/target/kubernetes/constraints/constraint.ts';
import { depot, isolation } from '../../../../src/target/kubernetes/constraints/network.ts';
import { objectsRelease, plain } from '../../../support/objects-release.ts';
import { bundleFrom, clusterSite, deployed, generationOf, twoServices } from '../rendered.ts';

/** What the plan of a cluster says of a service with these fields. */
function said(fields: Isolation): string[] {
  const object = plain({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } });
  const { release, bundle } = objectsRelease([object], { settings: clusterSite({}) });
  const services = [{ name: 'llm', ...fields }] as unknown as Bundle['services'];
  const input = {
    change: {
      ...{ intent: 'install', from: generationOf(0), to: generationOf(1, release) },
      bundles: new Map([[release.bundle, { ...bundle, services }]]),
    },
  } as unknown as ClusterConstraintInput;
  const constraints = isolation(input);
  expect(constraints.every(({ rule, satisfied }) => rule === 'ignored' && satisfied)).toBe(true);
  return constraints.map(({ needs }) => needs.replace(/ of service llm .*/, ''));
}

describe('when a release for a cluster has settings that pods do not have', () => {
  it.each<[Isolation, string[]]>([
    [{}, []],
    [{ ipc: 'private' }, []],
    [{ ulimits: { memlock: 'unlimited', nofile: 65_536 } }, ['ulimits memlock, nofile']],
    [{ ulimits: { stack: 1024 }, ipc: 'host' }, ['ulimits stack', 'ipc host']],
  ])('says of %j that it ignores %j', (fields, notes) => {
    expect(said(fields)).toEqual(notes);
  });
});

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
