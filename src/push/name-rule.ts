import { StowageError } from '../core/error.ts';

/** What a name rule can refer to. */
export interface Named {
  readonly release: string;
  readonly version: string;
  readonly name: string;
  /** Its origin: the repository on a registry, without the host, or on the Hub. */
  readonly path: string;
  /** That registry, as one part of a name; `hub` for models, `files` for files. */
  readonly registry: string;
}

export const DEFAULT_NAME_RULE = '{release}/{name}';
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const MAX_NAME = 255;

/**
 * The repository for a rule: its text with `{release}`, `{version}`, `{name}`, `{path}` and `{registry}`
 * replaced.
 * @throws StowageError `usage-invalid` for a rule that gives an invalid repository name
 */
export function repositoryBy(rule: string, named: Named): string {
  const name = rule.replace(/\{([^{}]*)\}/g, (whole, key: string) =>
    Object.hasOwn(named, key) ? named[key as keyof Named].toLowerCase() : whole,
  );
  if (name.length <= MAX_NAME && NAME.test(name)) return name;
  throw new StowageError('usage-invalid', 'the name rule gives an invalid repository name', {
    expected:
      'a rule such as mirror/{release}/{name}, with {release}, {version}, {name}, {path} and {registry}',
    found: `${rule}, which gives ${name.slice(0, 80)}`,
    hint: 'use lower-case letters and digits, separated by . _ - within a part, and / between parts',
  });
}
