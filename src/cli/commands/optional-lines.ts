import { absentParts } from '../../bundle/absent-parts.ts';
import type { Branch } from '../../content/branches.ts';
import { blobsOfParts, optionalParts, withoutInWords } from '../../content/optional.ts';
import { formatBytes } from '../../core/text.ts';
import { type Bundle, totalSize } from '../../format/bundle.ts';

/** The optional parts of a bundle that are not complete where some files are absent, as lines. */
export function absentPartLines(
  bundle: Bundle,
  absent: readonly { readonly path: string }[],
): string[] {
  const { parts, alone } = absentParts(bundle, absent);
  if (parts.length === 0) return [];
  const enough = alone ? '; nothing else is absent: enough for a site that does without them' : '';
  return [`  ${withoutInWords(parts)}${enough}`];
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
