import { fieldsOf, textOf } from '../../../core/json.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../change.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';

const LEVEL = 'pod-security.kubernetes.io/enforce';
/** From the strictest to the weakest. */
const LEVELS: readonly string[] = ['restricted', 'baseline', 'privileged'];

/** The cluster is what the charts of a release were rendered for: its version, its APIs, and how its namespace confines pods. */
export async function clusterNeeds(input: ClusterConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  for (const { release, bundle } of arrivals(input.change)) {
    const { kubeVersion, apiVersions = [], podSecurity } = bundle.cluster ?? {};
    const about = releaseText(release);
    if (kubeVersion !== undefined) {
      const { gitVersion } = await input.cluster.read('/version', input.signal);
      const found = textOf(gitVersion) ?? '';
      constraints.push({
        rule: 'kubernetes-version',
        satisfied: isAtLeast(found, kubeVersion),
        needs: `Kubernetes ${kubeVersion} or later for ${about}`,
        found: found || 'unknown',
      });
    }
    if (apiVersions.length > 0) {
      const missing: string[] = [];
      for (const each of apiVersions) if (!(await hasApi(each, input))) missing.push(each);
      constraints.push({
        rule: 'api-versions',
        satisfied: missing.length === 0,
        needs: `the APIs that the charts of ${about} were rendered for: ${apiVersions.join(', ')}`,
        found: missing.length === 0 ? 'all are served' : `not served: ${missing.join(', ')}`,
      });
    }
    const workload = clusterWorkload(release);
    if (podSecurity === undefined || workload === undefined || workload.ownsNamespace) continue;
    const place = { kind: 'Namespace', name: workload.namespace } as const;
    const { object } = await input.cluster.tryGet(place, input.signal);
    const level = String(fieldsOf(fieldsOf(object?.['metadata'])['labels'])[LEVEL] ?? 'privileged');
    constraints.push({
      rule: 'pod-security',
      satisfied: object === undefined || rank(level) >= rank(podSecurity),
      needs: `namespace ${workload.namespace} admits pods of level ${podSecurity} for ${about}`,
      found:
        object === undefined
          ? 'not known: the account may not read the namespace'
          : `it enforces ${level}`,
    });
  }
  return constraints;
}

/** Whether a server has a version of an API, or a kind of it: `apps/v1` or `apps/v1/Deployment`. */
async function hasApi(wanted: string, { api, signal }: ClusterConstraintInput): Promise<boolean> {
  const parts = wanted.split('/');
  const kind = /^[A-Z]/.test(parts.at(-1) ?? '') ? parts.pop() : undefined;
  const version = parts.join('/');
  if (kind !== undefined) return (await api.resources.find(version, kind, signal)) !== undefined;
  return (await api.resources.version(version, signal)).length > 0;
}

/** @param found such as `v1.36.3+k3s1` */
function isAtLeast(found: string, wanted: string): boolean {
  const [a = [], b = []] = [found, wanted].map((text) =>
    (/([0-9]+)\.([0-9]+)\.([0-9]+)/.exec(text) ?? []).slice(1).map(Number),
  );
  if (a.length === 0) return false;
  for (const [index, number] of b.entries())
    if (a[index] !== number) return (a[index] ?? 0) > number;
  return true;
}

function rank(level: string): number {
  return Math.max(LEVELS.indexOf(level), 0);
}
