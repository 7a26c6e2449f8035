import { recallOf } from '../../../bundle/admission/recall.ts';
import type { Bundle } from '../../../format/bundle.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, changesBetween, releaseText } from '../../../target/change.ts';
import { untrustedReleases } from '../../release/withdrawn.ts';
import type { ConstraintInput } from './constraint.ts';

/** The site accepts the bundle's channel: `site.yaml` may have changed since the import. */
export function channel(input: ConstraintInput): Constraint[] {
  const { channels } = input.settings;
  if (input.context.change.intent !== 'install') return [];
  return arrivals(input.context.change).map(({ bundle }) => ({
    rule: 'channel',
    satisfied: channels.includes(bundle.channel),
    needs: `channel ${bundle.channel} among the channels of site.yaml`,
    found: channels.join(', '),
  }));
}

/** No arriving release was recalled; for a rollback, no release of that generation. */
export function recalled(input: ConstraintInput): Constraint[] {
  const { state } = input;
  const { intent, to } = input.context.change;
  const asked =
    intent === 'rollback'
      ? to.releases
      : arrivals(input.context.change).map((each) => each.release);
  return asked.map((release) => {
    const recall = recallOf(release, state.recalls);
    return {
      rule: 'recall',
      satisfied: recall === undefined,
      needs: `${releaseText(release)} was not recalled`,
      found: recall === undefined ? 'not recalled' : `recalled: ${recall.reason}`,
    };
  });
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
