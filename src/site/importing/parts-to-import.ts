import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import {
  chooseParts,
  optionalParts,
  type PartNames,
  requireKnownParts,
} from '../../content/optional.ts';
import { exists } from '../../io/file.ts';
import { chosenBySite, hasChosen, readChosen } from '../release/chosen-parts.ts';
import { listReleases, releaseFolder, signedBundle } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { PartialImport } from './partial-import.ts';
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
  const folder = releaseFolder(site, id);
  const held = (await exists(folder)) ? await readChosen(folder, bundle) : [];
  if (only !== undefined) return new Set([...held, ...chooseParts(bundle, only).parts]);
  const staged = stagingFolder(site, id);
  const before = (await hasChosen(staged)) ? await readChosen(staged, bundle) : [];
  return new Set([...held, ...before, ...(await chosenBySite(site, bundle))]);
}

/**
 * Imported releases of which the site lacks optional parts that `site.yaml` chooses, as if their import were not complete.
 * One whose import was begun again is left out.
 * @throws StowageError `site-invalid`, `state-damaged`, `io-failed`
 */
export async function lackingParts(site: SiteFolder): Promise<PartialImport[]> {
  const found: PartialImport[] = [];
  for (const release of (await listReleases(site)).releases) {
    const { id } = release;
    const bundle = signedBundle(release);
    if (optionalParts(bundle).length === 0) continue;
    if (await exists(stagingFolder(site, id))) continue;
    const held = await readChosen(releaseFolder(site, id), bundle);
    const wanted: PartNames = new Set([...held, ...(await chosenBySite(site, bundle))]);
    const missing = (await Staging.open(site, id, bundle, wanted)).missing();
    if (missing.length > 0 && wanted.size > held.size)
      found.push({ id, bundle, missing, discs: { seen: [], missing: [] } });
  }
  return found;
}
