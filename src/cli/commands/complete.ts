import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type CommandContext, type CommandResult, siteRoot } from '../command.ts';

/** What a completion script may print: the shells expand some other characters. */
const SAFE = /^[0-9A-Za-z][0-9A-Za-z.+-]{0,127}$/;

/** More would not help anyone who presses a key. */
const MAX_NAMES = 1000;

/**
 * Names of a site for the completion scripts: imported `releases`, `installed` releases, or `generations`. Nothing is verified,
 * and whatever cannot be read is left out: the command that is completed reports it.
 * @param words of the command line, for its `--site`
 */
export function complete(
  kind: string,
  words: readonly string[],
  context: CommandContext,
): CommandResult {
  const root = siteRoot(context, siteIn(words));
  const names = [...new Set(namesOf(kind, root))].slice(0, MAX_NAMES);
  return { json: { names }, text: names.map((each) => `${each}\n`).join('') };
}

function siteIn(words: readonly string[]): string | undefined {
  const at = words.findLastIndex((each) => /^--(?:site|root)(?:=|$)/.test(each));
  if (at < 0) return undefined;
  const [, joined] = /=(.*)$/s.exec(words[at] ?? '') ?? [];
  // bash splits --site=DIR into three words.
  return joined ?? (words[at + 1] === '=' ? words[at + 2] : words[at + 1]);
}

function namesOf(kind: string, root: string): string[] {
  switch (kind) {
    case 'releases':
      return listed(join(root, 'releases'), /^[0-9a-f]{32}$/).flatMap((folder) =>
        releaseNames(fieldsOf(join(root, 'releases', folder, 'bundle.json'))),
      );
    case 'installed':
      return installed(root);
    case 'generations':
      return listed(join(root, 'generations'), /^[1-9][0-9]*\.json$/)
        .map((each) => Number.parseInt(each, 10))
        .toSorted((a, b) => b - a)
        .map(String);
    default:
      return [];
  }
}

function installed(root: string): string[] {
  try {
    const current = basename(readlinkSync(join(root, 'current')));
    const { releases } = fieldsOf(join(root, 'generations', current));
    if (!Array.isArray(releases)) return [];
    return releases.flatMap((each: Record<string, unknown>) =>
      releaseNames({ name: each['name'] }),
    );
  } catch {
    return [];
  }
}

function releaseNames({ name, version }: Record<string, unknown>): string[] {
  if (typeof name !== 'string' || !SAFE.test(name)) return [];
  const exact = typeof version === 'string' && SAFE.test(version) ? [`${name}@${version}`] : [];
  return [name, ...exact];
}

function listed(folder: string, pattern: RegExp): string[] {
  try {
    return readdirSync(folder).filter((each) => pattern.test(each));
  } catch {
    return [];
  }
}

function fieldsOf(file: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
