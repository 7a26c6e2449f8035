import { rehearsalHints } from '../../../bundle/rehearsal/judge-rehearsal.ts';
import { type ErrorCode, StowageError } from '../../../core/error.ts';
import { oneLine } from '../../../core/text.ts';
import { momentOf } from '../../../format/field.ts';
import type { Constraint } from '../../../format/plan.ts';
import { changesBetween, repairedReleases } from '../../../target/change.ts';
import { appliesObjects, channel, promotion, recalled, signers } from './admissible.ts';
import type { ConstraintInput, Rule } from './constraint.ts';
import { chosenParts } from './optional-parts.ts';
import { overridableRules, withOverrides } from './override.ts';
import { rehearsed } from './rehearsed.ts';
import { conflictingReleases, requiredReleases } from './releases.ts';
import { maintenanceWindows, space, suppressions } from './site.ts';
import { confirmedParameters, upgradePath } from './upgrade-path.ts';
import { parameters, secrets } from './values.ts';

/** Rules that need no work on the host come first. */
const rules: readonly Rule[] = [
  recalled,
  signers,
  channel,
  promotion,
  rehearsed,
  appliesObjects,
  chosenParts,
  requiredReleases,
  conflictingReleases,
  upgradePath,
  confirmedParameters,
  parameters,
  secrets,
  maintenanceWindows,
  suppressions,
  (input) => input.target.constraints(input.context),
  space,
];

/** The most characters of a constraint's texts. */
const MAX_TEXT = 2000;

/** The result of every rule, satisfied or not, with the overrides that are valid now; none if nothing changes. */
export async function checkConstraints(input: ConstraintInput): Promise<Constraint[]> {
  const { change } = input.context;
  const { arriving, leaving } = changesBetween(change.from, change.to);
  if (arriving.length + leaving.length + repairedReleases(change).length === 0) return [];
  const constraints: Constraint[] = [];
  for (const rule of rules) constraints.push(...(await rule(input)));
  const brief = constraints.map((each) => ({
    ...each,
    needs: oneLine(each.needs, MAX_TEXT),
    found: oneLine(each.found, MAX_TEXT),
  }));
  return withOverrides(brief, overridableRules(input.target), {
    granted: input.state.overrides,
    now: momentOf(input.now),
  });
}

/** The error for a violated rule about what may be installed at all, whatever else is violated. */
const forbidden: Readonly<Record<string, { code: ErrorCode; message: string; hint: string }>> = {
  recall: {
    code: 'release-recalled',
    message: 'a recall forbids this plan',
    hint: 'choose another generation, or install a version that was not recalled',
  },
  signer: {
    code: 'signer-revoked',
    message: 'the signer of a release of this plan is revoked',
    hint: 'install a version that a signer who is not revoked has signed; if this one is sound, ask the release engineer for the same bundle with the signature of another signer, and import that',
  },
  promotion: {
    code: 'release-foreign',
    message: 'the channel that this site follows does not have a release of this plan',
    hint: 'import the notice that promotes the release to this channel, or ask the release engineer for it',
  },
  rehearsal: {
    code: 'rehearsal-missing',
    message: 'a release of this plan has no rehearsal that counts here',
    hint: rehearsalHints['rehearsal-missing'],
  },
  'rehearsal-age': {
    code: 'rehearsal-late',
    message: 'the rehearsal of a release of this plan is too old',
    hint: rehearsalHints['rehearsal-late'],
  },
};

/**
 * @throws StowageError `host-unfit` listing every constraint that is violated and not overridden;
 * `release-recalled` when a recall is among them, or else `signer-revoked` when a revoked signer is, or else `release-foreign` when
 * the site's channel does not have a release, or else `rehearsal-missing` or `rehearsal-late`
 */
export function requireSatisfied(constraints: readonly Constraint[]): void {
  const violated = constraints.filter((each) => !each.satisfied && each.override === undefined);
  const [first] = violated;
  if (first === undefined) return;
  const defects = violated.map(
    (each) => `${each.rule}: expected ${each.needs}, found ${each.found}`,
  );
  for (const [rule, { code, message, hint }] of Object.entries(forbidden)) {
    const found = violated.find((each) => each.rule === rule);
    if (found === undefined) continue;
    throw new StowageError(code, message, {
      ...{ expected: found.needs, found: found.found },
      ...{ hint, defects },
    });
  }
  if (violated.every(({ rule }) => rule === 'window' || rule === 'suppression'))
    throw new StowageError('host-unfit', 'no change may start at this site now', {
      ...{ expected: first.needs, found: first.found, defects },
      hint: `run the same command again when changes are allowed; in an emergency, a responsible person can allow one with stowage override ${first.rule}`,
    });
  throw new StowageError(
    'host-unfit',
    'this host or site does not meet the requirements of the release',
    {
      expected: first.needs,
      found: first.found,
      hint: 'fix each listed problem or change the values in site.yaml, then run the command again',
      defects,
    },
  );
}
