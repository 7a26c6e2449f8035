import { posix } from 'node:path';
import { counted } from '../core/text.ts';
import type { Rule } from '../format/finding.ts';

const MAX_NAMED = 20;

/**
 * Checks that the files that hold a part of a model are among those that are taken, and have the bytes that it refers to.
 * @param path of the model
 * @param external what it refers to, relative to its folder, and the bytes that each file must have
 * @param sizes of all files that are taken, by path
 */
export function examineExternal(
  path: string,
  external: ReadonlyMap<string, number> | undefined,
  sizes: ReadonlyMap<string, number>,
  report: (file: string, rule: Rule, detail: string) => void,
): void {
  const missing: string[] = [];
  for (const [name, needed] of external ?? []) {
    const place = posix.join(posix.dirname(path), name.replaceAll('\\', '/'));
    const size = sizes.get(place);
    const shown = JSON.stringify(name.slice(0, 200));
    if (size === undefined) missing.push(shown);
    else if (size < needed)
      report(
        path,
        'file-cut',
        `it refers to ${counted(needed, 'byte')} of ${shown}, which has ${size}`,
      );
  }
  if (missing.length === 0) return;
  const more = missing.length > MAX_NAMED ? `, and ${missing.length - MAX_NAMED} more` : '';
  const named = missing.slice(0, MAX_NAMED).join(', ');
  report(path, 'shard-missing', `it refers to ${named}${more}, which is not selected`);
}
