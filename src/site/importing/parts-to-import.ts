import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import {
  chooseParts,
  optionalParts,
  type PartNames,
  requireKnownParts,
} from '../../content/optional.ts';
import type { Bundle } from '../../format/bundle.ts';
import { exists } from '../../io/file.ts';
import { chosenBySite, hasChosen, readChosen } from '../release/chosen-parts.ts';
import { listReleases, releaseFolder, signedBundle } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { PartialImport } from './partial-import.ts';
import { redundantStagings } from './redundant-staging.ts';
import { Staging, stagingFolder } from './staging.ts';

/**
 * The optional parts of a bundle that a site has after an import: those that it has already, and those that were asked for, or that
 * `site.yaml` and an earlier, unfinished import chose.
 * @param only names, in place of those of `site.yaml`, or all
 * @throws StowageError `part-unknown`; `site-invalid` as {@link chosenBySite}
 */
export async function partsToImport(
  site: SiteFolder,
  { id, bundle }: Pick<AdmittedBundle, 'id' | 'bundle'>,
  only?: readonly string[] | 'all',
): Promise<PartNames> {
  if (only !== undefined) requireKnownParts(bundle, chooseParts(bundle, only));
  if (optionalParts(bundle).length === 0) return new Set();
  if (only !== undefined) {
    const held = await heldParts(site, id, bundle);
    return new Set([...held, ...chooseParts(bundle, only).parts]);
  }
  const known = await partsToRepair(site, { id, bundle });
  return new Set([...known, ...(await chosenBySite(site, bundle))]);
}

/**
 * The optional parts of an imported bundle that a repair is about: those that the site has, and those of an unfinished import.
 * @throws StowageError `state-damaged`, `io-failed`
 */
export async function partsToRepair(
  site: SiteFolder,
  { id, bundle }: Pick<AdmittedBundle, 'id' | 'bundle'>,
): Promise<PartNames> {
  const staged = stagingFolder(site, id);
  const before = (await hasChosen(staged)) ? await readChosen(staged, bundle) : [];
  return new Set([...(await heldParts(site, id, bundle)), ...before]);
}

async function heldParts(site: SiteFolder, id: string, bundle: Bundle): Promise<PartNames> {
  const folder = releaseFolder(site, id);
  return (await exists(folder)) ? readChosen(folder, bundle) : new Set();
}

/**
 * Imported releases of which the site lacks optional parts that `site.yaml` chooses, as if their import were not complete.
 * One whose import was begun again is left out.
 * @throws StowageError `site-invalid`, `state-damaged`, `io-failed`
 */
export async function lackingParts(site: SiteFolder): Promise<PartialImport[]> {
  const found: PartialImport[] = [];
  const redundant = await redundantStagings(site);
  for (const release of (await listReleases(site)).releases) {
    const { id } = release;
    const bundle = signedBundle(release);
    if (optionalParts(bundle).length === 0) continue;
    if ((await exists(stagingFolder(site, id))) && !redundant.has(id)) continue;
    const held = await readChosen(releaseFolder(site, id), bundle);
    const wanted: PartNames = new Set([...held, ...(await chosenBySite(site, bundle))]);
    const missing = (await Staging.open(site, id, bundle, wanted)).missing();
    if (missing.length > 0 && wanted.size > held.size)
      found.push({ id, bundle, missing, discs: { seen: [], missing: [] } });
  }
  return found;
}
