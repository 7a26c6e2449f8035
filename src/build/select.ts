import { StowageError } from '../core/error.ts';
import { pathCollision, pathDefect } from '../core/safe-path.ts';
import { quoted } from '../core/text.ts';
import { hubMatcher } from '../examine/glob.ts';
import type { ModelSource } from '../format/manifest.ts';

/**
 * The files of a model that its include and exclude globs leave, sorted bytewise. Globs are those of the Hub's own
 * clients.
 * @throws StowageError `source-not-found` when nothing is left
 */
export function selectFiles<F extends { readonly path: string }>(
  model: ModelSource,
  files: readonly F[],
): F[] {
  const included = model.include.map(hubMatcher);
  const excluded = model.exclude.map(hubMatcher);
  const chosen = files.filter(
    ({ path }) =>
      (included.length === 0 || included.some((matches) => matches(path))) &&
      !excluded.some((matches) => matches(path)),
  );
  if (chosen.length === 0) {
    throw new StowageError(
      'source-not-found',
      `include and exclude select no file of ${model.source}`,
      {
        expected: `a match for ${model.include.join(', ') || 'everything'}`,
        found:
          files
            .slice(0, 20)
            .map((file) => file.path)
            .join(', ') || 'an empty repository',
        hint: `correct the globs of model ${model.name} in the manifest; each must match a whole path, as in huggingface_hub`,
      },
    );
  }
  return chosen.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/**
 * Checks, before any of them is fetched, that every system can hold a model's files side by side.
 * @throws StowageError `path-unsafe`, naming all that it cannot
 */
export function requireSafeNames(model: ModelSource, files: readonly { path: string }[]): void {
  const unsafe = files.flatMap(({ path }) => {
    const defect = pathDefect(path);
    return defect === undefined ? [] : [`${quoted(path)}: ${defect}`];
  });
  const twins = unsafe.length > 0 ? undefined : pathCollision(files.map(({ path }) => path));
  if (twins !== undefined)
    unsafe.push(
      `${twins.map((each) => quoted(each)).join(' and ')}: the same file on some systems`,
    );
  const [first] = unsafe;
  if (first === undefined) return;
  throw new StowageError(
    'path-unsafe',
    `${model.source} has file names that some systems do not support`,
    {
      expected: 'portable names that differ in more than case',
      found: first,
      hint: `exclude them from model ${model.name} in the manifest`,
      defects: unsafe.slice(0, 200),
    },
  );
}
