import { join } from 'node:path';
import {
  chooseParts,
  optionalInWords,
  optionalParts,
  type PartNames,
  withParts,
} from '../../content/optional.ts';
import { StowageError } from '../../core/error.ts';
import { MIB } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import { readCanonical, refuseDefects, writeCanonical } from '../../format/document.ts';
import type { DeployedRelease } from '../../format/plan.ts';
import { siteKind } from '../../format/site.ts';
import { chosenPartsKind } from '../../format/site-state.ts';
import { exists, writeAtomic } from '../../io/file.ts';
import { readStateIfThere, type SiteFolder } from '../site-folder.ts';

const FILE = 'chosen-parts.json';

/**
 * The optional parts that a folder of an imported bundle, or of an import, records; all without a record, and of a bundle
 * without optional parts.
 * @throws StowageError `state-damaged`, `io-failed`
 */
export async function readChosen(folder: string, bundle: Bundle): Promise<PartNames> {
  const all = chooseParts(bundle, 'all').parts;
  if (all.size === 0) return all;
  const bytes = await readStateIfThere(join(folder, FILE), MIB);
  if (bytes === undefined) return all;
  const { parts } = readCanonical(chosenPartsKind, bytes);
  return new Set(parts.filter((each) => all.has(each)));
}

/** Whether a folder records which parts were chosen. */
export async function hasChosen(folder: string): Promise<boolean> {
  return exists(join(folder, FILE));
}

/** Records the chosen parts of a bundle in a folder, if it has optional parts. @throws StowageError `io-failed` */
export async function recordChosen(
  folder: string,
  bundle: Bundle,
  parts: PartNames,
): Promise<void> {
  if (optionalParts(bundle).length === 0) return;
  const record = { schema: 'stowage/chosen-parts/v1', parts: [...parts].toSorted() } as const;
  await writeAtomic(join(folder, FILE), writeCanonical(chosenPartsKind, record));
}

/**
 * The optional parts of a release that `site.yaml` chooses, and those that these use.
 * @throws StowageError `site-invalid` for a name that is that of no optional part, with its line
 */
export async function chosenBySite(site: SiteFolder, bundle: Bundle): Promise<PartNames> {
  const { with: chosen = {} } = await site.site();
  const { name } = bundle;
  const names = Object.hasOwn(chosen, name) ? (chosen[name] ?? []) : [];
  const { parts, unknown } = chooseParts(bundle, names);
  if (unknown.length === 0) return parts;
  const defects = unknown.map((each) => ({
    path: ['with', name, names.indexOf(each.name)],
    message: each.reason,
  }));
  const {
    code,
    found = '',
    defects: lines,
  } = refuseDefects(siteKind, defects, await site.locate());
  throw new StowageError(code, `site.yaml does not fit release ${name} ${bundle.version}`, {
    expected: `optional parts of the release: ${optionalInWords(bundle)}`,
    found,
    hint: `correct "with" in ${site.file}`,
    defects: lines,
  });
}

/** What a generation has of the bundle of one of its releases. */
export function bundleAsDeployed(
  { with: parts }: Pick<DeployedRelease, 'with'>,
  bundle: Bundle,
): Bundle {
  return parts === undefined ? bundle : withParts(bundle, new Set(parts));
}
