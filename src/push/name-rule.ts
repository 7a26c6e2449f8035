import { StowageError } from '../core/error.ts';

/** What a rule for names may speak of. */
export interface Named {
  readonly release: string;
  readonly version: string;
  readonly name: string;
  /** Where it comes from: the repository of a registry without its host, or of the Hub. */
  readonly path: string;
  /** That registry, as a part of a name; `hub` for models, `files` for files. */
  readonly registry: string;
}

export const DEFAULT_NAME_RULE = '{release}/{name}';
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const MAX_NAME = 255;

/**
 * The repository that a rule gives: its text with `{release}`, `{version}`, `{name}`, `{path}` and `{registry}`
 * replaced.
 * @throws StowageError `usage-invalid` for a rule that gives no name a repository can have
 */
export function repositoryBy(rule: string, named: Named): string {
  const name = rule.replace(/\{([^{}]*)\}/g, (whole, key: string) =>
    Object.hasOwn(named, key) ? named[key as keyof Named].toLowerCase() : whole,
  );
  if (name.length <= MAX_NAME && NAME.test(name)) return name;
  throw new StowageError('usage-invalid', 'the rule for names gives no name of a repository', {
    expected:
      'a text such as mirror/{release}/{name}, with {release}, {version}, {name}, {path} and {registry}',
    found: `${rule}, which gives ${name.slice(0, 80)}`,
    hint: 'names are lower-case letters and digits with . _ - between them, in parts with / between them',
  });
}
