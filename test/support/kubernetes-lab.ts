import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { TestContext } from 'vitest';
import { type Cluster, type ClusterOptions, startCluster } from '../lab/kubernetes/cluster.ts';
import { withoutCluster } from '../lab/kubernetes/programs.ts';
import { outside } from '../lab/outside.ts';
import { capture, run } from '../lab/process.ts';
import type { Registry } from '../lab/registry.ts';
import { skipBecause } from './skip-because.ts';

/** A kubeconfig of a cluster that somebody has, to be used in place of the lab's. */
const GIVEN: string | undefined = process.env['STOWAGE_TEST_KUBECONFIG'];

/** Shown once for each file: its tests that need the lab are counted as skipped, each with a reason. */
const NOT_RUN = `STOWAGE_TEST_KUBECONFIG=${GIVEN}
  NOT RUN on this cluster: whatever stops its API server or its nodes, needs nodes that reach this host and trust its depot, or
  simulates nodes. Run here: objects and plans by dry runs, rights of an account, and an install without images that is undone.
  Run the rest on a cluster of the lab: unset STOWAGE_TEST_KUBECONFIG.`;

/** What every cluster offers, the lab's or one that somebody has. */
export interface TestCluster
  extends Pick<Cluster, 'kubeconfig' | 'kubectl' | 'tryKubectl' | 'stop'> {
  /** The lab's cluster with its nodes, which tests may break. Undefined for one that somebody has. */
  readonly lab?: Cluster;
}

/** Why the tests with a cluster cannot run on this machine, for `skipBecause`; undefined where they can. */
export const noCluster: string | undefined =
  GIVEN === undefined ? await withoutCluster() : undefined;

/** The cluster of the lab, for tests that break its nodes; undefined where they cannot run: see {@link skipWithoutLab}. */
export async function startLabCluster(options: ClusterOptions = {}): Promise<Cluster | undefined> {
  return noCluster === undefined ? (await startTestCluster(options)).lab : undefined;
}

/** Skips a test that needs {@link startLabCluster}, with the reason. */
export function skipWithoutLab(test: TestContext, lab: Cluster | undefined): void {
  if (noCluster !== undefined) skipBecause(test, noCluster);
  if (lab === undefined) skipBecause(test, 'STOWAGE_TEST_KUBECONFIG names another cluster');
}

/** Whether the tests of a cluster that take long were asked for: `npm run test:cluster-suite`. */
export const LONG: boolean = process.env['STOWAGE_TEST_CLUSTER_SUITE'] === '1';

/** Skips a test that takes long, with the reason, unless it was asked for. */
export function skipUnlessLong(test: TestContext): void {
  if (!LONG) skipBecause(test, 'it takes long: npm run test:cluster-suite runs it');
}

/** {@link startLabCluster} for a file all of whose tests take long; undefined where they were not asked for. */
export async function startLongLabCluster(options: ClusterOptions): Promise<Cluster | undefined> {
  return LONG ? startLabCluster(options) : undefined;
}

/** Skips a test that needs {@link startLongLabCluster}, with the reason. */
export function skipWithoutLongLab(test: TestContext, lab: Cluster | undefined): void {
  skipUnlessLong(test);
  skipWithoutLab(test, lab);
}

/** A registry that the nodes of a lab cluster trust. @param name of its certificate */
export async function trustedRegistry(cluster: Cluster, name = 'registry'): Promise<Registry> {
  const { certificate, key } = await cluster.serverCertificate(name);
  const registry = await cluster.registry({ tls: { certificate, key } });
  cluster.registries.trust({ address: registry.host, ca: cluster.ca.certificate });
  return registry;
}

/** The cluster that `STOWAGE_TEST_KUBECONFIG` names, else one of the lab. */
export async function startTestCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  if (GIVEN === undefined) {
    const lab = await startCluster(options);
    return { ...lab, lab };
  }
  const kubeconfig = resolve(GIVEN);
  console.error(NOT_RUN);
  if (!existsSync(kubeconfig)) throw new Error(`STOWAGE_TEST_KUBECONFIG: no file ${kubeconfig}`);
  const env = outside();
  const words = (args: readonly string[]): string[] => ['--kubeconfig', kubeconfig, ...args];
  return {
    kubeconfig,
    kubectl: (...args) => run('kubectl', words(args), { env }),
    tryKubectl: (...args) => capture('kubectl', words(args), { env }),
    stop: async () => {},
  };
}
