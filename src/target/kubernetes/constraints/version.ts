import { textOf } from '../../../core/json.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals } from '../../change.ts';
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
