import { describe, expect, it } from 'vitest';
import { StowageError } from '../../../src/core/error.ts';
import type {
  Cluster,
  Found,
  Named,
  Selection,
} from '../../../src/target/kubernetes/api/cluster.ts';
import { siteInventory } from '../../../src/target/kubernetes/record.ts';

const { signal } = new AbortController();
const pod = (name: string, namespace: string, release: string): Found => ({
  metadata: { name, namespace, labels: { 'stowage.dev/release': release } },
});
const pods = [pod('a', 'one', 'chat'), pod('b', 'two', 'chat'), pod('c', 'two', 'other')];

/** A cluster that counts what it is asked. */
function counted(forbidden: readonly string[] = []) {
  const asked: string[] = [];
  const fake = {
    async *list({ kind, namespace }: Selection) {
      asked.push(`list ${kind} ${namespace ?? ''}`.trim());
      if (namespace === undefined && forbidden.includes(kind))
        throw new StowageError('engine-failed', 'refused', {
          ...{ expected: '', found: '', hint: '' },
          cause: { status: 403 },
        });
      yield* kind === 'Pod' ? pods : [];
    },
    async get({ kind, name }: Named) {
      asked.push(`get ${kind} ${name}`);
      return undefined;
    },
  };
  return { asked, cluster: fake as unknown as Cluster };
}

async function names(list: AsyncIterable<Found>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const each of list) found.push((each['metadata'] as { name: string }).name);
  return found;
}

describe('when the objects of a site are listed once', () => {
  it('answers from these lists', async () => {
    const { asked, cluster } = counted();
    const inventory = await siteInventory(cluster, { site: 's' }, signal);
    expect(asked).toHaveLength(6);
    const labels = { 'stowage.dev/release': 'chat' };
    const selection = { kind: 'Pod', namespace: 'two', labels } as const;
    expect(await names(inventory.list(selection, signal))).toEqual(['b']);
    expect(await inventory.get({ kind: 'Pod', namespace: 'one', name: 'a' }, signal)).toBe(pods[0]);
    expect(asked).toHaveLength(6);
  });

  it('asks for an object that is not among them: its label may have been removed', async () => {
    const { asked, cluster } = counted();
    const inventory = await siteInventory(cluster, { site: 's', namespace: 'one' }, signal);
    await inventory.get({ kind: 'Service', namespace: 'one', name: 'server' }, signal);
    expect(asked.at(-1)).toBe('get Service server');
    expect(asked[0]).toBe('list ConfigMap one');
  });

  it('reads one by one what an account may not list everywhere', async () => {
    const { asked, cluster } = counted(['Pod']);
    const inventory = await siteInventory(cluster, { site: 's' }, signal);
    await names(inventory.list({ kind: 'Pod', namespace: 'two' }, signal));
    expect(asked.at(-1)).toBe('list Pod two');
  });
});
