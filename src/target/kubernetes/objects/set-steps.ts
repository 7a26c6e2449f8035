import { counted } from '../../../core/text.ts';
import type { KubernetesSet } from '../../../format/kubernetes.ts';
import type { DeployedRelease } from '../../../format/plan.ts';
import type { Change } from '../../change.ts';
import type { ServiceStep, TargetStep } from '../../target.ts';
import { objectKey } from '../api/object-api.ts';
import { clusterWorkload } from '../workload.ts';
import { hooksOf } from './set-hooks.ts';
import {
  everyObject,
  isDefinition,
  isKept,
  isNamespace,
  setDigest,
  setOf,
  setsOf,
} from './sets.ts';

/** Sets of a release that arrives, in their order. One that did not change is only made what it should be. */
export function startSets(release: DeployedRelease, { from, intent }: Change): ServiceStep[] {
  const previous = from.releases.find(({ name }) => name === release.name);
  const before = previous === undefined ? undefined : clusterWorkload(previous);
  const workload = clusterWorkload(release);
  const moved = before?.namespace !== workload?.namespace;
  return setsOf(workload).map((set): ServiceStep => {
    const { name } = set;
    const about = { side: 'to', release: release.name, subject: name, service: name } as const;
    const old = moved ? undefined : setOf(before, name);
    if (old !== undefined && setDigest(old) === setDigest(set))
      return { ...about, action: 'repair-set', reason: 'its objects did not change' };
    // Helm runs no hooks of an upgrade when it returns to an earlier version.
    const action = intent === 'rollback' && old !== undefined ? 'return-set' : 'apply-set';
    return {
      ...{ ...about, action },
      ...(old === undefined
        ? { undo: 'remove-set' }
        : ({ undo: 'restore-set', undoSide: 'from' } as const)),
      reason: `${objectsText(set)} of the new release`,
    };
  });
}

/** The tests of charts, which are gates of the release. */
export function testSets(release: DeployedRelease): TargetStep[] {
  return setsOf(clusterWorkload(release))
    .filter((set) => hooksOf(set, 'test').length > 0)
    .map(({ name }) => ({
      ...{ action: 'test-set', side: 'to', release: release.name, subject: name },
      reason: 'the generation is kept only if the tests of the chart pass',
    }));
}

/** What only the generation before had. Without an undo: the new generation is current by then. */
export function retireSets(release: DeployedRelease, { to }: Change): TargetStep[] {
  const successor = to.releases.find(({ name }) => name === release.name);
  const workload = clusterWorkload(release);
  const after = successor === undefined ? undefined : clusterWorkload(successor);
  const kept = new Set(
    setsOf(after).flatMap((set) => everyObject(set).map((each) => keyOf(each, after?.namespace))),
  );
  return setsOf(workload)
    .toReversed()
    .flatMap((set): TargetStep[] => {
      const about = { side: 'from', release: release.name, subject: set.name } as const;
      if (setOf(after, set.name) === undefined)
        return [
          { ...about, action: 'uninstall-set', reason: 'the release does not have it anymore' },
        ];
      const gone = everyObject(set).filter(
        (each) => !isDefinition(each) && !kept.has(keyOf(each, workload?.namespace)),
      );
      if (gone.length === 0) return [];
      const reason = 'only the old generation had these objects';
      return [{ ...about, action: 'prune-set', reason }];
    });
}

/** Sets of a release that is uninstalled, the last one first. */
export function clearSets(release: DeployedRelease): TargetStep[] {
  return setsOf(clusterWorkload(release))
    .toReversed()
    .map((set) => ({
      ...{ action: 'uninstall-set', side: 'from', release: release.name, subject: set.name },
      undo: 'restore-set',
      reason: leftText(set),
    }));
}

/** What stays after an uninstall, and what goes with it. */
function leftText(set: KubernetesSet): string {
  const all = everyObject(set);
  const kept = all.filter(isKept).length;
  return [
    'its release is removed',
    ...(all.some(isDefinition)
      ? ['definitions and the objects that others made of them stay']
      : []),
    ...(kept > 0
      ? [`${kept} of its objects stay, as their chart says (helm.sh/resource-policy: keep)`]
      : []),
    ...(all.some(isNamespace)
      ? ['its namespaces are deleted with everything in them, also what others made there']
      : []),
  ].join('; ');
}

function objectsText({ objects }: KubernetesSet): string {
  return objects.length === 1 ? '1 object' : counted(objects.length, 'object');
}

function keyOf(
  { apiVersion, kind, metadata: { name, namespace } }: KubernetesSet['objects'][number],
  within: string | undefined,
): string {
  return objectKey({ apiVersion, kind, namespace: namespace ?? within, name });
}
