import { withoutInWords } from '../../content/optional.ts';
import { formatBytes } from '../../core/text.ts';
import { totalSize } from '../../format/bundle.ts';
import { partsNotHeld, type Release, signedBundle } from '../../site/release/release.ts';

interface NotImported {
  readonly parts: readonly string[];
  readonly bytes: number;
  /** Of all content. */
  readonly total: number;
}

/** The optional parts of a release that a site does not have; undefined if it has all. */
function notImported(release: Release): NotImported | undefined {
  if (release.signed === undefined) return undefined;
  const signed = signedBundle(release);
  const total = totalSize(signed.blobs);
  return {
    parts: partsNotHeld(release),
    bytes: total - totalSize(release.bundle.blobs),
    total,
  };
}

/** The same, as lines. */
export function leftOutLines(release: Release): string[] {
  const found = notImported(release);
  if (found === undefined) return [];
  const { parts, bytes, total } = found;
  return [
    `  ${withoutInWords(parts)} (${formatBytes(bytes)} of ${formatBytes(total)})`,
    '  to import them too, add them to "with" in site.yaml, or use --only, and import again',
  ];
}

/** The same as data for `--json`. */
export function leftOutJson(release: Release): { readonly leftOut?: NotImported } {
  const found = notImported(release);
  return found === undefined ? {} : { leftOut: found };
}
