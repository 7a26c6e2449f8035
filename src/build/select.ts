import { StowageError } from '../core/error.ts';
import { globMatcher } from '../examine/glob.ts';
import type { ModelSource } from '../format/manifest.ts';

/**
 * The files of a model that its include and exclude globs leave, sorted bytewise.
 * A glob without a slash matches names at any depth, as on the Hub's own clients.
 * @throws StowageError `source-not-found` when nothing is left
 */
export function selectFiles<F extends { readonly path: string }>(
  model: ModelSource,
  files: readonly F[],
): F[] {
  const included = globMatcher(model.include);
  const excluded = globMatcher(model.exclude);
  const chosen = files.filter(
    (file) => (model.include.length === 0 || included(file.path)) && !excluded(file.path),
  );
  if (chosen.length === 0) {
    throw new StowageError(
      'source-not-found',
      `no file of ${model.source} is left by include and exclude`,
      {
        expected: `a match for ${model.include.join(', ') || 'everything'}`,
        found:
          files
            .slice(0, 20)
            .map((file) => file.path)
            .join(', ') || 'an empty repository',
        hint: `mend the globs of model ${model.name} in the manifest`,
      },
    );
  }
  return chosen.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}
