import { fieldsOf, textOf } from '../../../core/json.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../change.ts';
import { kinds } from '../api/kinds.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/** Image volumes with a folder of the image: beta in 1.33, on by default since 1.35. */
const WITH_GATE = 33;
const BY_DEFAULT = 35;

/** The server is new enough for the way in which pods get their models. */
export async function version(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { change, cluster, settings, signal } = input;
  const hasServices = arrivals(change).some(
    ({ release }) => (clusterWorkload(release)?.services ?? []).length > 0,
  );
  if (!hasServices) return [];
  const { weights = 'auto', fill, storageClass } = settings.kubernetes ?? {};
  const fills = fill !== undefined || storageClass !== undefined;
  if (weights !== 'auto' && weights !== 'image-volume' && !fills) return [];
  const { gitVersion } = await cluster.read('/version', signal);
  const { supported, text } = imageVolumes(textOf(gitVersion) ?? '');
  return [
    {
      rule: 'version',
      satisfied: supported,
      needs: `Kubernetes 1.${WITH_GATE} or later, which mounts models as images`,
      found: text,
    },
  ];
}

const SETS = 'LeaderWorkerSet';
/** What to do about a cluster without them. Earlier versions drop image volumes from pods. */
export const WITHOUT_SETS =
  'the cluster does not have it: ask its owner to install LeaderWorkerSet 0.6 or later (https://lws.sigs.k8s.io)';

/** The server has LeaderWorkerSets, which are no part of Kubernetes, where a service spans several nodes. */
export async function leaderWorkerSets(input: ClusterConstraintInput): Promise<Constraint[]> {
  const { change, cluster, signal } = input;
  const spanning = arrivals(change).flatMap(({ release, bundle }) =>
    clusterWorkload(release) === undefined
      ? []
      : bundle.services.flatMap(({ name, nodes }) =>
          nodes === undefined ? [] : [`service ${name} of release ${release.name}`],
        ),
  );
  if (spanning.length === 0) return [];
  const satisfied = await cluster.hasKind(SETS, signal);
  return [
    {
      rule: 'leader-worker-set',
      satisfied,
      needs: `${kinds[SETS].apiVersion} ${SETS}, because several nodes run ${spanning.join(', ')}`,
      found: satisfied ? 'the cluster has it' : WITHOUT_SETS,
    },
  ];
}

/** Whether a version of the server has image volumes, and what to know of it. @param found such as `v1.36.3` */
export function imageVolumes(found: string): {
  readonly supported: boolean;
  readonly text: string;
} {
  const minor = Number(/^v1\.([0-9]+)\./.exec(found)?.[1] ?? '0');
  if (minor >= BY_DEFAULT) return { supported: true, text: found };
  if (minor >= WITH_GATE)
    return { supported: true, text: `${found}, where the feature gate ImageVolume must be on` };
  const others =
    'set kubernetes.weights to local, or to volume with a claim that you fill, in site.yaml, or upgrade the cluster';
  return { supported: false, text: `${found || 'unknown'}: ${others}` };
}

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
