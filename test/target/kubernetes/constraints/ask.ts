import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Change } from '../../../../src/target/change.ts';
import type { Cluster, Named, Selection } from '../../../../src/target/kubernetes/api/cluster.ts';
import { refusedRequest } from '../../../../src/target/kubernetes/api/failure.ts';
import type { ClusterConstraintInput } from '../../../../src/target/kubernetes/constraints/constraint.ts';
import { bundleFrom, clusterSite, deployed, generationOf } from '../rendered.ts';

/** What a cluster has, by kind; what it refuses to show has a status instead. */
export type Held = Readonly<Record<string, readonly object[] | number>>;

interface Asked {
  readonly settings?: object;
  readonly exclusive?: Change['exclusive'];
  readonly from?: string;
}

const failure = (status: number) => ({ status, reason: '', message: `${status}`, causes: [] });

/** A cluster that only shows objects; the lab's has whatever behaves. */
function reading(held: Held): Cluster {
  const named = (object: object): unknown =>
    (object as { metadata: { name: string } }).metadata.name;
  const fake = {
    connection: { server: 'https://10.0.0.1:6443' },
    async tryGet({ kind, name }: Named) {
      const some = held[kind] ?? [];
      if (typeof some === 'number') return { failure: failure(some) };
      const object = some.find((each) => named(each) === name);
      return object === undefined ? { failure: failure(404) } : { object };
    },
    async *list({ kind }: Selection) {
      const some = held[kind] ?? [];
      if (typeof some === 'number') throw refusedRequest(`list ${kind}s`, failure(some));
      yield* some;
    },
  };
  return fake as unknown as Cluster;
}

/** The input of a rule for the release of a manifest at a site with an empty folder. */
export function ask(
  manifest: string,
  held: Held = {},
  { settings, exclusive, from }: Asked = {},
): ClusterConstraintInput {
  const root = mkdtempSync(join(tmpdir(), 'rules-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const site = clusterSite(settings);
  const bundle = bundleFrom(manifest);
  const release = deployed(bundle, site);
  const before = from === undefined ? [] : [deployed(bundleFrom(from), site)];
  return {
    change: {
      ...{ intent: 'install', from: generationOf(1, ...before) },
      to: generationOf(2, release),
      bundles: new Map([[release.bundle, bundle]]),
      ...(exclusive === undefined ? {} : { exclusive }),
    },
    cluster: reading(held),
    settings: site,
    ...{ root, platform: 'linux/amd64', now: new Date('2026-11-29T05:00:00Z') },
    store: { read: async () => Buffer.from('{"layers":[]}') },
    signal: new AbortController().signal,
  } as unknown as ClusterConstraintInput;
}

export function object(kind: string, name: string, more: object = {}): object {
  return { kind, metadata: { name }, ...more };
}
