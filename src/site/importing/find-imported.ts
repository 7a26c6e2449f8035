import type { Emit } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import type { LedgerEntry } from '../../format/ledger.ts';
import { currentGeneration } from '../generations.ts';
import { findRelease, type Release } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import { incomplete } from './import.ts';
import { partialImports } from './partial-import.ts';

/**
 * The release that `install` means by a text. A name without a version is the newest imported one; once an installation of
 * that name followed its import, it is the one that runs, so that a repair does not undo a rollback. A warning then names
 * the newer one.
 * @param text as in {@link findRelease}
 * @throws StowageError `release-unknown`; `bundle-incomplete` for one whose import is incomplete
 */
export async function findImported(
  text: string,
  entries: readonly LedgerEntry[],
  { site, emit }: { readonly site: SiteFolder; readonly emit: Emit },
): Promise<Release> {
  const newest = await findComplete(site, text);
  const { name, version } = newest.bundle;
  if (text !== name || !installedSince(newest, entries)) return newest;
  const { releases } = await currentGeneration(site);
  const current = releases.find((each) => each.name === name);
  if (current === undefined || current.bundle === newest.id) return newest;
  const release = await findRelease(site, current.bundle);
  emit({
    type: 'warning',
    message: `${name} stays at ${current.version}; ${version} was imported before the last installation of ${name}`,
    hint: `to install it, run stowage install ${name}@${version}`,
  });
  return release;
}

/** Whether a release of the same name was installed, or this was tried, after the last import of this one. */
function installedSince({ id, bundle }: Release, entries: readonly LedgerEntry[]): boolean {
  const imported = entries.findLastIndex(
    ({ event }) => event.kind === 'accepted' && event.bundle === id,
  );
  return entries
    .slice(imported + 1)
    .some(
      ({ event }) =>
        event.kind === 'command' &&
        event.command !== 'uninstall' &&
        event.release?.name === bundle.name,
    );
}

async function findComplete(site: SiteFolder, text: string): Promise<Release> {
  try {
    return await findRelease(site, text);
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'release-unknown') throw error;
    const partial = (await partialImports(site)).findLast(
      ({ id, bundle: { name, version } }) =>
        [name, `${name}@${version}`].includes(text) ||
        (/^[0-9a-f]{12,128}$/.test(text) && id.startsWith(text)),
    );
    if (partial === undefined) throw error;
    const { message, expected = '', defects } = incomplete(partial);
    throw new StowageError('bundle-incomplete', message, {
      ...{ expected, defects, cause: error },
      found: 'an import that lacks these parts',
      hint: `${partial.discs.of === undefined ? 'import the complete bundle, or send its whole stream again' : 'import the remaining discs with stowage import DISC'}; stowage status lists what is missing`,
    });
  }
}
