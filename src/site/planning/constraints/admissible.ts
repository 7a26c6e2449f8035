import { acceptedChannels, channelsOf } from '../../../bundle/admission/admission-policy.ts';
import { recallOf, strategyAgainst } from '../../../bundle/admission/recall.ts';
import type { Bundle } from '../../../format/bundle.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, changesBetween, releaseText } from '../../../target/change.ts';
import { untrustedReleases } from '../../release/withdrawn.ts';
import type { ConstraintInput } from './constraint.ts';

/** The site accepts the bundle's channel: `site.yaml` may have changed since the import. */
export function channel(input: ConstraintInput): Constraint[] {
  const { settings, state } = input;
  const accepted = acceptedChannels(settings);
  if (input.context.change.intent !== 'install') return [];
  return arrivals(input.context.change).map(({ release, bundle }) => {
    const has = channelsOf(bundle, release.bundle, state.promoted);
    return {
      rule: 'channel',
      satisfied: has.some((each) => accepted.includes(each)),
      needs: `channel ${has.join(' or ')} among the channels of site.yaml`,
      found: accepted.join(', '),
    };
  });
}

/** The channel that the site follows has each arriving release: it was packed for it, or a notice promoted it. */
export function promotion({ settings, state, context: { change } }: ConstraintInput): Constraint[] {
  const { channel: followed } = settings;
  if (followed === undefined || change.intent !== 'install') return [];
  return arrivals(change).map(({ release, bundle }) => {
    const has = channelsOf(bundle, release.bundle, state.promoted);
    return {
      rule: 'promotion',
      satisfied: has.includes(followed),
      needs: `channel ${followed} has ${releaseText(release)}`,
      found: `it is in ${has.join(', ')}`,
    };
  });
}

/** No arriving release was recalled; for a rollback, no release of that generation. From a recalled one, only the way that its recall allows. */
export function recalled(input: ConstraintInput): Constraint[] {
  const { state } = input;
  const { intent, from, to } = input.context.change;
  const asked =
    intent === 'rollback'
      ? to.releases
      : arrivals(input.context.change).map((each) => each.release);
  // Listed only where it is violated, so that a plan of an older version can still be applied.
  const forbidden = asked.flatMap((release): Constraint[] => {
    const running = from.releases.find(({ name }) => name === release.name);
    if (running === undefined) return [];
    const way = strategyAgainst(running, release, state.recalls);
    if (way === undefined) return [];
    const needs = `a version to which the recall of ${releaseText(running)} leads: ${way}`;
    return [{ rule: 'recall', satisfied: false, needs, found: releaseText(release) }];
  });
  const recalls = asked.map((release) => {
    const recall = recallOf(release, state.recalls);
    return {
      rule: 'recall',
      satisfied: recall === undefined,
      needs: `${releaseText(release)} was not recalled`,
      found: recall === undefined ? 'not recalled' : `recalled: ${recall.reason}`,
    };
  });
  return [...recalls, ...forbidden];
}

/**
 * No arriving release has a revoked signer; for a rollback, no release of that generation. A repair does not check it: what runs
 * stays, and can be restored as it was. Listed only where it is violated, so that a plan of an older version can still be applied.
 */
export async function signers(input: ConstraintInput): Promise<Constraint[]> {
  const { site, state, now } = input;
  const { intent, from, to } = input.context.change;
  const asked = intent === 'rollback' ? to.releases : changesBetween(from, to).arriving;
  const ids = asked.map(({ bundle }) => bundle);
  const untrusted = await untrustedReleases(site, ids, state, now);
  return asked.flatMap((release) => {
    const reason = untrusted.get(release.bundle);
    if (reason === undefined) return [];
    const needs = `${releaseText(release)} has enough signers who are not revoked`;
    return [{ rule: 'signer', satisfied: false, needs, found: reason }];
  });
}

/** Charts and objects are applied to a cluster; a site that runs nothing serves them to others. */
export function appliesObjects({ context: { change }, target }: ConstraintInput): Constraint[] {
  if (!target.runsServices || target.appliesObjects === true) return [];
  return arrivals(change)
    .filter(({ bundle }) => hasObjects(bundle))
    .map(({ release }) => ({
      rule: 'cluster',
      satisfied: false,
      needs: `a cluster for the charts and objects of ${releaseText(release)}`,
      found: `target ${target.name}; only target kubernetes applies them`,
    }));
}

/** Whether a release has charts or objects. */
export function hasObjects({ charts = [], objects = [] }: Bundle): boolean {
  return charts.length + objects.length > 0;
}
