import { counted } from '../../core/text.ts';
import { missingInWords, type PartialImport } from '../../site/importing/partial-import.ts';

/** How the rest of an incomplete import arrives, as a command and what to give it. */
export function nextMedia({ discs }: Pick<PartialImport, 'discs'>): string {
  return discs.of === undefined
    ? 'stowage import MEDIUM with the complete bundle, or stowage import - with its whole stream'
    : 'stowage import DISC for each remaining disc';
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
