import { compare, major, satisfies } from 'semver';
import type { Bundle } from '../../../format/bundle.ts';
import type { Constraint, Plan } from '../../../format/plan.ts';
import { arrivals, releaseText } from '../../../target/change.ts';
import type { ConstraintInput } from './constraint.ts';

/** The installed version is in the range of versions that can be upgraded. Not checked for a rollback. */
export function upgradePath(input: ConstraintInput): Constraint[] {
  if (input.context.change.intent !== 'install') return [];
  return arrivals(input.context.change).flatMap(({ bundle, release, previous }) => {
    const { upgradeFrom } = bundle;
    if (upgradeFrom === undefined || previous === undefined) return [];
    // The same version with different values is not an upgrade.
    const satisfied =
      previous.version === release.version || satisfies(previous.version, upgradeFrom);
    return {
      rule: 'upgrade-path',
      satisfied,
      needs: `${releaseText(release)} replaces a version ${upgradeFrom}`,
      found: releaseText(previous),
    };
  });
}

/** A release that is older in the next generation. */
export interface Return {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** Each release whose version, or sequence of the same version, becomes lower. */
export function returnsOf({ from, to }: Pick<Plan, 'from' | 'to'>): Return[] {
  return to.releases.flatMap(({ name, version, seq }) => {
    const previous = from.releases.find((each) => each.name === name);
    if (previous === undefined) return [];
    const order = compare(version, previous.version) || seq - previous.seq;
    if (order >= 0) return [];
    const text = (each: { version: string; seq: number }): string =>
      version === previous.version ? `${each.version} (sequence ${each.seq})` : each.version;
    return [{ name, from: text(previous), to: text({ version, seq }) }];
  });
}

/**
 * When the major version of a release changes, a person confirmed the site's values for it. Checked if there are values
 * and a previous version.
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
      needs: `confirmed.${name}: ${version} in site.yaml, after comparing parameters.${name} with major version ${version}${changed === '' ? '' : ` (changed: ${changed})`}`,
      found: found === undefined ? `confirmed.${name} is not set` : `confirmed.${name}: ${found}`,
    };
  });
}

/** The parameters that were added, removed, or changed in type or default, if the previous bundle is known. */
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
