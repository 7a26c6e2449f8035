import { recallOf } from '../../../bundle/admission/recall.ts';
import type { Constraint } from '../../../format/plan.ts';
import { hostPlatform } from '../../../target/host/platform.ts';
import { arrivals, type ConstraintInput, named } from './constraint.ts';

/** The site takes the bundle's channel: it may have been imported before `site.yaml` was changed. */
export function channel(input: ConstraintInput): Constraint[] {
  const { channels } = input.settings;
  if (input.intent !== 'install') return [];
  return arrivals(input).map(({ bundle }) => ({
    rule: 'channel',
    satisfied: channels.includes(bundle.channel),
    needs: `channel ${bundle.channel} among the channels of site.yaml`,
    found: channels.join(', '),
  }));
}

/** No release that comes was recalled, nor any in a generation that is returned to. */
export function recalled(input: ConstraintInput): Constraint[] {
  const { intent, to, state } = input;
  const asked = intent === 'rollback' ? to.releases : arrivals(input).map((each) => each.wanted);
  return asked.map((release) => {
    const recall = recallOf(release, state.recalls);
    return {
      rule: 'recall',
      satisfied: recall === undefined,
      needs: `${named(release)} was not recalled`,
      found: recall === undefined ? 'not recalled' : `recalled: ${recall.reason}`,
    };
  });
}

/** The release was packed for this host's system and processor. */
export function platform(input: ConstraintInput): Constraint[] {
  const host = hostPlatform();
  return arrivals(input)
    .filter(({ wanted }) => wanted.services.length > 0)
    .map(({ bundle, wanted }) => {
      const images = bundle.images.filter(
        (image) => !image.platforms.some((each) => each.platform === host),
      );
      const lacking = images.map((each) => each.name).join(', ');
      return {
        rule: 'platform',
        satisfied: bundle.platforms.includes(host) && images.length === 0,
        needs: `${named(wanted)} made for a host of ${host}`,
        found: `${bundle.platforms.join(', ')}${lacking === '' ? '' : `, without image ${lacking}`}`,
      };
    });
}
