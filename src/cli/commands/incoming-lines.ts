import { counted } from '../../core/text.ts';
import { missingInWords, type PartialImport } from '../../site/importing/partial-import.ts';

/** What to do about an incomplete import. */
export function nextImport({ discs }: Pick<PartialImport, 'discs'>): string {
  return discs.of === undefined
    ? 'next: import the complete bundle; if that is not possible, stowage repair-list'
    : 'next: stowage import DISC for each remaining disc; if one is lost or damaged, stowage repair-list';
}

/** The missing parts of an incomplete import, as lines. */
export function incomingLines(incoming: PartialImport): string[] {
  const { discs, missing } = incoming;
  const shown = missing.slice(0, 5).map(({ path }) => `    ${path}`);
  return [
    ...(discs.of === undefined
      ? []
      : [`  ${discs.seen.length} of ${counted(discs.of, 'disc')} read`]),
    `  missing: ${missingInWords(incoming)}`,
    ...shown,
    ...(missing.length > shown.length ? [`    and ${missing.length - shown.length} more`] : []),
  ];
}

/** The same as data for `--json`. */
export function incomingJson({ id, bundle, discs, missing }: PartialImport): object {
  return {
    ...{ id, name: bundle.name, version: bundle.version, discs },
    missing: missing.map(({ path, size }) => ({ path, size })),
  };
}
