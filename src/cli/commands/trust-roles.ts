import {
  type AlgorithmName,
  algorithmNames,
  type Role,
  type RoleName,
  roleNames,
  type Trust,
} from '../../format/trust.ts';
import { usage } from '../command.ts';
import { splitPair } from './trust-option.ts';

export interface RoleOptions {
  /** Names of the roots for each role. */
  readonly release: readonly string[];
  readonly approval: readonly string[];
  readonly rootRole: readonly string[];
  /** Each is `ROLE=NUMBER`. */
  readonly threshold: readonly string[];
  /** Each is `ROLE=ALGORITHM`. */
  readonly require: readonly string[];
}

/**
 * The roles of a trust document. A role without an option keeps its roots. In a first document, it gets the roots that
 * no option names or, if every root is named, all roots.
 * @param names the names of all roots
 * @throws StowageError `usage-invalid`
 */
export function rolesOf(
  names: readonly string[],
  old: Trust['roles'] | undefined,
  options: RoleOptions,
): Trust['roles'] {
  const chosen = { root: options.rootRole, release: options.release, approval: options.approval };
  const named = Object.values(chosen).flat();
  const left = names.filter((name) => !named.includes(name));
  const rest = left.length === 0 ? names : left;
  const thresholds = byRole(options.threshold, '--threshold', 'ROLE=NUMBER');
  const requires = byRole(options.require, '--require', 'ROLE=ALGORITHM');
  const role = (name: RoleName): Role | undefined => {
    const before = old?.[name];
    const kept = before?.roots.filter((each) => names.includes(each));
    const fallback = name === 'approval' || old !== undefined ? undefined : rest;
    const roots = chosen[name].length > 0 ? chosen[name] : (kept ?? fallback);
    const required =
      requires.get(name)?.map((each) => algorithmIn(each, '--require')) ?? before?.requires;
    const threshold = thresholds.get(name)?.at(-1);
    if (roots === undefined && (threshold ?? required) === undefined) return undefined;
    if (roots === undefined || roots.length === 0)
      throw usage(`role ${name} has no root`, `--${flags[name]} NAME`, 'none');
    return {
      threshold: threshold === undefined ? (before?.threshold ?? 1) : Number(threshold),
      roots,
      ...(required === undefined ? {} : { requires: required }),
    };
  };
  const { root, release, approval } = {
    root: role('root'),
    release: role('release'),
    approval: role('approval'),
  };
  if (root === undefined || release === undefined)
    throw usage('roles are missing', '--root-role NAME and --release NAME', 'one or none of them');
  const roles = { root, release, ...(approval === undefined ? {} : { approval }) };
  const unused = names.find(
    (name) => !Object.values(roles).some((each) => each.roots.includes(name)),
  );
  if (unused === undefined) return roles;
  throw usage(
    `root ${unused} has no role`,
    'its name in --root-role, --release or --approval, with the other roots of that role',
    'none of them',
  );
}

const flags: Readonly<Record<RoleName, string>> = {
  root: 'root-role',
  release: 'release',
  approval: 'approval',
};

function byRole(pairs: readonly string[], option: string, form: string): Map<RoleName, string[]> {
  const found = new Map<RoleName, string[]>();
  for (const pair of pairs) {
    const [name, value] = splitPair(pair, option, form);
    const role = roleNames.find((each) => each === name);
    if (role === undefined) throw usage(`unknown role in ${option}`, roleNames.join(', '), name);
    found.set(role, [...(found.get(role) ?? []), value]);
  }
  return found;
}

/** @throws StowageError `usage-invalid` */
export function algorithmIn(text: string, option: string): AlgorithmName {
  const found = algorithmNames.find((each) => each === text);
  if (found !== undefined) return found;
  throw usage(`unknown algorithm in ${option}`, algorithmNames.join(', '), text);
}
