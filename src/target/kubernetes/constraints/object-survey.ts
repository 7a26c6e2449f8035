import type {
  KubernetesObject,
  KubernetesSet,
  KubernetesWorkload,
} from '../../../format/kubernetes.ts';
import type { DeployedRelease } from '../../../format/plan.ts';
import { arrivals } from '../../change.ts';
import type { Found } from '../api/cluster.ts';
import { definedResources, type Placed, placedKey, type Resource } from '../api/object-api.ts';
import { severalAtOnce } from '../api/several-at-once.ts';
import {
  CLUSTER_NAMESPACES,
  isDefinition,
  isNamespace,
  placesOf,
  setsOf,
} from '../objects/sets.ts';
import { clusterWorkload } from '../workload.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/** An object of a release that arrives, as the cluster sees it. */
export interface Surveyed {
  readonly set: KubernetesSet;
  readonly object: KubernetesObject;
  readonly isHook: boolean;
  /** Its kind on the server or, before its definition exists, as the release defines it; undefined for an unknown one. */
  readonly resource?: Resource;
  /** Whether the server has the kind now. */
  readonly served: boolean;
  readonly placed?: Placed;
  /** What is there now. */
  readonly found?: Found;
  /** Whether the running version of the release has it. */
  readonly known: boolean;
}

/** The objects of a release that arrives. */
export interface ReleaseSurvey {
  readonly release: DeployedRelease;
  readonly workload: KubernetesWorkload;
  readonly objects: readonly Surveyed[];
  /** The namespaces that its objects may be in: its own, and those that it makes. */
  readonly namespaces: ReadonlySet<string>;
}

const surveys = new WeakMap<ClusterConstraintInput, Promise<readonly ReleaseSurvey[]>>();

/** The objects of every release that arrives with charts or objects, read once in a plan. */
export function surveyObjects(input: ClusterConstraintInput): Promise<readonly ReleaseSurvey[]> {
  const known = surveys.get(input) ?? readAll(input);
  surveys.set(input, known);
  return known;
}

async function readAll(input: ClusterConstraintInput): Promise<readonly ReleaseSurvey[]> {
  const found: ReleaseSurvey[] = [];
  for (const { release } of arrivals(input.change)) {
    const workload = clusterWorkload(release);
    if (workload !== undefined && setsOf(workload).length > 0)
      found.push(await readOne(release, workload, input));
  }
  return found;
}

async function readOne(
  release: DeployedRelease,
  workload: KubernetesWorkload,
  { api, change, signal }: ClusterConstraintInput,
): Promise<ReleaseSurvey> {
  const previous = change.from.releases.find(({ name }) => name === release.name);
  const before = previous === undefined ? undefined : clusterWorkload(previous);
  const own = await placesOf(api, before, signal);
  const sets = setsOf(workload);
  const defined = definedResources(sets.flatMap(({ objects }) => objects.filter(isDefinition)));
  const all = sets.flatMap((set) => [
    ...set.objects.map((object) => ({ set, object, isHook: false })),
    ...(set.hooks ?? []).map(({ object }) => ({ set, object, isHook: true })),
  ]);
  const namespaces = new Set([
    workload.namespace,
    ...all
      .filter(({ object }) => isNamespace(object) && !CLUSTER_NAMESPACES.has(object.metadata.name))
      .map(({ object }) => object.metadata.name),
  ]);
  const objects = await severalAtOnce(all, async (each): Promise<Surveyed> => {
    const { object } = each;
    const { apiVersion, kind, metadata } = object;
    const served = await api.resources.find(apiVersion, kind, signal);
    const resource =
      served ?? defined.find((one) => one.apiVersion === apiVersion && one.kind === kind);
    if (resource === undefined) return { ...each, served: false, known: false };
    const namespace = metadata.namespace ?? workload.namespace;
    const placed = {
      ...{ resource, name: metadata.name },
      ...(resource.namespaced ? { namespace } : {}),
    };
    const { object: found } =
      served === undefined ? { object: undefined } : await api.tryGet(placed, signal);
    return {
      ...{ ...each, resource, placed, served: served !== undefined },
      ...(found === undefined ? {} : { found }),
      known: own.has(placedKey(placed)),
    };
  });
  return { release, workload, objects, namespaces };
}
