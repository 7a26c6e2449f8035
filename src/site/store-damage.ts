import { relative } from 'node:path';
import { cutTo } from '../core/text.ts';
import { readCanonical, writeCanonical } from '../format/document.ts';
import { momentOf } from '../format/field.ts';
import {
  type DamagedFile,
  MAX_DAMAGE_TEXT,
  MAX_DAMAGED_FILES,
  type StoreDamage,
  storeDamageKind,
} from '../format/site-state.ts';
import { remove, statusOf, writeAtomic } from '../io/file.ts';
import { readStateIfThere, type SiteFolder } from './site-folder.ts';

/** What is still as the last verification found it, absolute paths. */
export type KnownDamage = Pick<StoreDamage, 'at' | 'files'>;

/** A damaged or missing file of a site, its path absolute. */
export type FoundFile = Omit<DamagedFile, 'mark'>;

/** Keeps what a verification of all files found, for `status`. */
export async function recordDamage(
  site: SiteFolder,
  found: readonly FoundFile[],
  at: Date,
): Promise<void> {
  if (found.length === 0) return remove(path(site));
  const files: DamagedFile[] = [];
  for (const each of found.slice(0, MAX_DAMAGED_FILES)) {
    const mark = await markOf(each.path);
    const place = relative(site.root, each.path);
    const what = cutTo(each.what, MAX_DAMAGE_TEXT);
    files.push({ ...each, what, path: place, ...(mark === undefined ? {} : { mark }) });
  }
  const damage: StoreDamage = { schema: 'stowage/store-damage/v1', at: momentOf(at), files };
  await writeAtomic(path(site), writeCanonical(storeDamageKind, damage));
}

/**
 * What the last verification found, without files that were replaced or removed since, absolute paths.
 * @throws StowageError `state-damaged`
 */
export async function knownDamage(site: SiteFolder): Promise<KnownDamage | undefined> {
  const bytes = await readStateIfThere(path(site), storeDamageKind.maxBytes);
  if (bytes === undefined) return undefined;
  const { at, files } = readCanonical(storeDamageKind, bytes);
  const left: DamagedFile[] = [];
  for (const each of files) {
    const place = site.path(each.path);
    if ((await markOf(place)) === each.mark) left.push({ ...each, path: place });
  }
  return left.length === 0 ? undefined : { at, files: left };
}

/** A hard link that is added or removed leaves it as it is; undefined if nothing is there. */
async function markOf(file: string): Promise<string | undefined> {
  const status = await statusOf(file);
  return status && `${status.ino} ${status.mtimeNs} ${status.size}`;
}

function path(site: SiteFolder): string {
  return site.path('damaged.json');
}
