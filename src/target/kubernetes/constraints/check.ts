import type { Constraint } from '../../../format/plan.ts';
import { changesBetween, repairedReleases } from '../../change.ts';
import { removeLeftProbes } from '../doctor/probe-place.ts';
import { clusterWorkload } from '../workload.ts';
import { admission } from './admission.ts';
import { capacity, quota } from './capacity.ts';
import type { ClusterConstraintInput, ClusterRule } from './constraint.ts';
import { definitions } from './definitions.ts';
import { nodeDisk, volume } from './disk.ts';
import { existence } from './existence.ts';
import { imagePull } from './image-pull.ts';
import { depot, isolation, networkPolicy, outsidePorts, unrestricted } from './network.ts';
import {
  objectAdmission,
  objectKinds,
  objectOwners,
  objectPlaces,
  objectPowers,
} from './objects.ts';
import { rights } from './rights.ts';
import { clusterNeeds, leaderWorkerSets, version } from './version.ts';

/** Rules that need no work in the cluster come first, and the one that needs a pod last. */
const rules: readonly ClusterRule[] = [
  version,
  leaderWorkerSets,
  clusterNeeds,
  isolation,
  objectKinds,
  objectPlaces,
  objectPowers,
  rights,
  depot,
  existence,
  volume,
  capacity,
  nodeDisk,
  quota,
  objectOwners,
  definitions,
  admission,
  objectAdmission,
  networkPolicy,
  unrestricted,
  outsidePorts,
  imagePull,
];

/** Rules that a person may temporarily override. */
export const overridableRules = [
  'capacity',
  'depot',
  'node-disk',
  'quota',
  'definition',
  'image-pull',
] as const;

/** The result of every rule for a cluster, satisfied or not. Removes what a killed plan left of its probes. */
export async function clusterConstraints(input: ClusterConstraintInput): Promise<Constraint[]> {
  await removeLeftovers(input);
  const constraints: Constraint[] = [];
  for (const rule of rules) {
    // A probe pod would only repeat what is already known to fail.
    if (rule === imagePull && constraints.some(({ satisfied }) => !satisfied)) break;
    constraints.push(...(await rule(input)));
  }
  return constraints;
}

async function removeLeftovers({
  change,
  cluster,
  settings: { kubernetes },
  signal,
}: ClusterConstraintInput): Promise<void> {
  const { arriving, leaving } = changesBetween(change.from, change.to);
  const sites = new Map(
    [...arriving, ...leaving, ...repairedReleases(change)].flatMap((each) => {
      const { namespace, site } = clusterWorkload(each) ?? {};
      return namespace === undefined || site === undefined ? [] : [[namespace, site] as const];
    }),
  );
  if (kubernetes === undefined) return;
  for (const [namespace, site] of sites)
    await removeLeftProbes({ cluster, site, namespace, settings: kubernetes }, signal);
}
