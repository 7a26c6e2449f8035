import { join } from 'node:path';
import { channelsOf } from '../../../bundle/admission/admission-policy.ts';
import { attachedRehearsal } from '../../../bundle/rehearsal/attached-rehearsal.ts';
import { judgeRehearsal } from '../../../bundle/rehearsal/judge-rehearsal.ts';
import type { Constraint } from '../../../format/plan.ts';
import type { RehearsalRequirement } from '../../../format/rehearsal-requirement.ts';
import type { Trust } from '../../../format/trust.ts';
import { readIfThere } from '../../../io/file.ts';
import { type Arrival, arrivals, releaseText } from '../../../target/change.ts';
import { loadRelease, releaseFolder, signedBundle } from '../../release/release.ts';
import type { ConstraintInput } from './constraint.ts';

/** The rules, by the code of the check. */
const rules = { 'rehearsal-missing': 'rehearsal', 'rehearsal-late': 'rehearsal-age' } as const;

/** A requirement, and who asks for it. */
type Asked = RehearsalRequirement & { readonly by: string };

/**
 * Each arriving release was rehearsed as `site.yaml` and the trust document ask. For a bundle that runs already, the age of its
 * rehearsal is not checked again. Not checked for a rollback.
 */
export async function rehearsed(input: ConstraintInput): Promise<Constraint[]> {
  const { context, site, settings, state, now: clock } = input;
  if (context.change.intent !== 'install') return [];
  const trust = await site.trust();
  const now = new Date(Math.max(clock.getTime(), Date.parse(state.floor)));
  const constraints: Constraint[] = [];
  for (const arrival of arrivals(context.change)) {
    const asked = requirementsFor(arrival, trust, input);
    if (asked.length === 0) continue;
    const { bundle: id } = arrival.release;
    const folder = releaseFolder(site, id);
    const attached = await attachedRehearsal(
      signedBundle(await loadRelease(site, id)),
      (path, maxBytes) => readIfThere(join(folder, path), maxBytes),
    );
    const runs = arrival.previous?.bundle === id;
    for (const { by, targets = [settings.target], ...each } of asked)
      for (const { code, satisfied, needs, found } of judgeRehearsal(
        attached,
        { ...each, targets },
        now,
      ))
        constraints.push({
          rule: rules[code],
          satisfied: satisfied || (runs && code === 'rehearsal-late'),
          needs: `${needs} for ${releaseText(arrival.release)} (${by})`,
          found,
        });
  }
  return constraints;
}

/** Of all channels by which the site accepts the bundle, each requirement counts. */
function requirementsFor(
  { bundle, release }: Arrival,
  trust: Trust | undefined,
  { settings, state }: Pick<ConstraintInput, 'settings' | 'state'>,
): Asked[] {
  const { requireRehearsal, channels, channel } = settings;
  const accepted = channel === undefined ? channels : [...channels, channel];
  const rehearsals = trust?.rehearsals ?? {};
  const by = `trust document ${trust?.version}`;
  return [
    ...(requireRehearsal === undefined ? [] : [{ ...requireRehearsal, by: 'site.yaml' }]),
    ...channelsOf(bundle, release.bundle, state.promoted).flatMap((each): Asked[] => {
      const asked = Object.hasOwn(rehearsals, each) ? rehearsals[each] : undefined;
      if (asked === undefined || !accepted.includes(each)) return [];
      return [{ ...asked, by: `${by}, channel ${each}` }];
    }),
  ];
}
