import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { TestCluster } from './kubernetes-lab.ts';

const folder = new URL('../target/kubernetes/golden/', import.meta.url);

/** The releases whose rendered objects are kept, by the names of their files. */
export const goldenReleases: readonly string[] = readdirSync(folder);

/** Asserts that the server accepts every object of a release by a dry run, without a warning. @param work for a file */
export async function expectAccepted(
  cluster: Pick<TestCluster, 'kubectl'>,
  name: string,
  work: string,
): Promise<void> {
  const { objects, services } = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
  const all = [...objects, ...services.flatMap((each: any) => [each.deployment, each.service])];
  const items = all.filter(Boolean).map((each) => {
    const { namespace, ...metadata } = each.metadata;
    return namespace === undefined
      ? each
      : { ...each, metadata: { ...metadata, namespace: 'default' } };
  });
  const file = join(work, name);
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  const said = await cluster.kubectl(
    ...['apply', '--server-side', '--dry-run=server', '--validate=strict', '--filename', file],
  );
  expect(said.trim().split('\n')).toHaveLength(items.length);
  expect(said).not.toContain('Warning');
}
