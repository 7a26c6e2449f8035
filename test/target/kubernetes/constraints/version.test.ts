import { describe, expect, it } from 'vitest';
import type { Bundle } from '../../../../src/format/bundle.ts';
import type { ClusterConstraintInput } from '../../../../src/target/kubernetes/constraints/constraint.ts';
import { clusterNeeds } from '../../../../src/target/kubernetes/constraints/version.ts';
import { objectsRelease, plain } from '../../../support/objects-release.ts';
import { clusterSite, generationOf } from '../rendered.ts';

interface Cluster {
  readonly version?: string;
  readonly apis?: Readonly<Record<string, readonly string[]>>;
  /** What the namespace enforces; undefined for one that cannot be read. */
  readonly level?: string;
}

/** Whether a cluster is what a release needs, by rule. */
async function judged(
  cluster: NonNullable<Bundle['cluster']>,
  { version = 'v1.36.3', apis = {}, level }: Cluster,
): Promise<Record<string, boolean>> {
  const settings = clusterSite({ namespace: 'models' });
  const object = plain({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } });
  const { release, bundle } = objectsRelease([object], { cluster, settings });
  const labels = { 'pod-security.kubernetes.io/enforce': level };
  const input = {
    change: {
      ...{ intent: 'install', from: generationOf(0), to: generationOf(1, release) },
      bundles: new Map([[release.bundle, bundle]]),
    },
    cluster: {
      read: async () => ({ gitVersion: version }),
      tryGet: async () =>
        level === undefined ? { failure: { status: 403 } } : { object: { metadata: { labels } } },
    },
    api: {
      resources: {
        version: async (name: string) => apis[name] ?? [],
        find: async (name: string, kind: string) => apis[name]?.find((each) => each === kind),
      },
    },
  } as unknown as ClusterConstraintInput;
  const constraints = await clusterNeeds(input);
  return Object.fromEntries(constraints.map(({ rule, satisfied }) => [rule, satisfied]));
}

describe('when charts were rendered for a version of Kubernetes', () => {
  it.each([
    ['v1.36.3', '1.36.3', true],
    ['v1.36.3+k3s1', '1.36.0', true],
    ['v1.36.3-eks-1', '1.34.9', true],
    ['v2.0.0', '1.36.0', true],
    ['v1.36.3', '1.36.4', false],
    ['v1.9.0', '1.36.0', false],
    ['unknown', '1.36.0', false],
  ])('judges %s for %s as %s', async (version, kubeVersion, satisfied) => {
    expect(await judged({ kubeVersion }, { version })).toEqual({ 'kubernetes-version': satisfied });
  });
});

describe('when charts were rendered with further APIs', () => {
  const apis = { 'monitoring.example/v1': ['Monitor'] };

  it.each([
    ['monitoring.example/v1', true],
    ['monitoring.example/v1/Monitor', true],
    ['monitoring.example/v1/Other', false],
    ['monitoring.example/v2', false],
  ])('judges %s as %s', async (each, satisfied) => {
    expect(await judged({ apiVersions: [each] }, { apis })).toEqual({ 'api-versions': satisfied });
  });
});

describe('when pods need a weaker standard than the namespace of the owner has', () => {
  it.each([
    ['privileged', 'restricted', false],
    ['baseline', 'restricted', false],
    ['privileged', 'baseline', false],
    ['baseline', 'baseline', true],
    ['baseline', 'privileged', true],
    ['privileged', undefined, true],
  ] as const)('judges %s in a namespace that enforces %s as %s', async (podSecurity, level, ok) => {
    const found = await judged({ podSecurity }, level === undefined ? {} : { level });
    expect(found).toEqual({ 'pod-security': ok });
  });
});
