import { major, satisfies } from 'semver';
import type { Bundle } from '../../../format/bundle.ts';
import type { Constraint } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../../target/change.ts';
import type { ConstraintInput } from './constraint.ts';

/** The version that runs is one from which this one may be reached. Going back is not asked. */
export function upgradePath(input: ConstraintInput): Constraint[] {
  if (input.context.change.intent !== 'install') return [];
  return arrivals(input.context.change).flatMap(({ bundle, release, previous }) => {
    const { upgradeFrom } = bundle;
    if (upgradeFrom === undefined || previous === undefined) return [];
    // The same version again, with other values, is no upgrade.
    const satisfied =
      previous.version === release.version || satisfies(previous.version, upgradeFrom);
    return {
      rule: 'upgrade-path',
      satisfied,
      needs: `${releaseText(release)} follows a version ${upgradeFrom} of it`,
      found: releaseText(previous),
    };
  });
}

/**
 * A person looked at the site's values for a release again when its major version changes, and wrote that down.
 * Asked where there are values and a predecessor.
 */
export function confirmedParameters(input: ConstraintInput): Constraint[] {
  const { settings, context } = input;
  const { intent, bundles } = context.change;
  if (intent !== 'install') return [];
  return arrivals(input.context.change).flatMap(({ bundle, release, previous }) => {
    const { name } = release;
    const given = Object.hasOwn(settings.parameters, name) ? settings.parameters[name] : {};
    if (previous === undefined || Object.keys(given ?? {}).length === 0) return [];
    const version = major(release.version);
    if (major(previous.version) === version) return [];
    const found = Object.hasOwn(settings.confirmed, name) ? settings.confirmed[name] : undefined;
    const changed = changedParameters(bundles.get(previous.bundle), bundle);
    return {
      rule: 'confirmed',
      satisfied: found === version,
      needs: `confirmed.${name}: ${version} in site.yaml, once somebody compared parameters.${name} with major version ${version}${changed === '' ? '' : `, in which changed: ${changed}`}`,
      found: found === undefined ? `confirmed.${name} is not there` : `confirmed.${name}: ${found}`,
    };
  });
}

/** The parameters whose type, default or presence is another one, where the old ones are known. */
function changedParameters(before: Bundle | undefined, after: Bundle): string {
  if (before === undefined) return '';
  const names = new Set([...Object.keys(before.parameters), ...Object.keys(after.parameters)]);
  const shape = ({ parameters }: Bundle, name: string): string => {
    if (!Object.hasOwn(parameters, name)) return 'absent';
    const { type, default: value } = parameters[name] ?? {};
    return JSON.stringify([type, value]);
  };
  const changed = [...names].filter((name) => shape(before, name) !== shape(after, name));
  return changed.toSorted().join(', ');
}
