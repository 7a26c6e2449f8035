import type { Branch } from '../../content/branches.ts';
import { blobsOfParts, optionalParts } from '../../content/optional.ts';
import { formatBytes } from '../../core/text.ts';
import { type Bundle, totalSize } from '../../format/bundle.ts';

/** The optional parts of a bundle that are not complete where some files are absent. */
export interface AbsentParts {
  readonly parts: readonly string[];
  /** Whether nothing else is absent, so that a site without these optional parts needs no more. */
  readonly alone: boolean;
}

/** @param absent files of the bundle */
export function absentParts(
  bundle: Bundle,
  absent: readonly { readonly path: string }[],
): AbsentParts {
  const paths = new Set(absent.map(({ path }) => path));
  const gone = new Set(
    bundle.blobs
      .filter(({ parts }) => parts.some(({ path }) => paths.has(path)))
      .map(({ digest }) => digest),
  );
  const lacking = optionalParts(bundle).filter(({ blobs }) => blobs.some((each) => gone.has(each)));
  const unneeded = new Set(lacking.flatMap(({ blobs }) => blobs));
  const recovery = new Set(bundle.parity?.rows.flat().map(({ path }) => path));
  const optional = new Set(
    bundle.blobs.flatMap(({ digest, parts }) =>
      unneeded.has(digest) ? parts.map(({ path }) => path) : [],
    ),
  );
  const alone = [...paths].every((path) => optional.has(path) || recovery.has(path));
  return { parts: lacking.map(({ name }) => name), alone };
}

/** The same, as lines. */
export function absentPartLines(
  bundle: Bundle,
  absent: readonly { readonly path: string }[],
): string[] {
  const { parts, alone } = absentParts(bundle, absent);
  if (parts.length === 0) return [];
  const enough = alone ? '; nothing else is absent: enough for a site that does without them' : '';
  return [`  optional parts that are not complete here: ${parts.join(', ')}${enough}`];
}

/** The optional parts of a bundle, each with the bytes that it alone needs. */
export function optionalBranches(bundle: Bundle): Branch[] {
  return optionalParts(bundle).map(({ name, uses }) => {
    const own = blobsOfParts(bundle, new Set([name]));
    const size = totalSize(bundle.blobs.filter(({ digest }) => own.has(digest)));
    const bytes = size === 0 ? '' : `  ${formatBytes(size)}`;
    return { text: `${name}${bytes}${uses.length === 0 ? '' : `  uses ${uses.join(', ')}`}`, size };
  });
}
