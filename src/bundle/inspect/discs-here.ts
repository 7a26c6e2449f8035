import { allParts } from '../../format/bundle.ts';
import { listMedia } from '../../io/media.ts';
import { discLabel, discNumber } from '../discs.ts';
import type { Looked } from './look.ts';

/** What of a bundle lies in one disc's folder, by names; nobody read it. */
export interface DiscHere {
  readonly disc: string;
  readonly parts: number;
  /** Bytes of these parts. */
  readonly size: number;
}

/** The discs of a bundle that are here, and the parts that are on none of them; nothing for a bundle in one folder. */
export async function discsHere({
  bundle,
  folders,
}: Looked): Promise<{ discs: readonly DiscHere[]; absent: number } | undefined> {
  if (folders.length === 1 && discNumber(folders[0] ?? '') === undefined) return undefined;
  const sizes = new Map(allParts(bundle).map(({ path, size }) => [path, size]));
  const absent = new Set(sizes.keys());
  const discs: DiscHere[] = [];
  for (const folder of folders) {
    const found = (await listMedia(folder)).filter(({ path }) => sizes.has(path));
    for (const { path } of found) absent.delete(path);
    const size = found.reduce((sum, { path }) => sum + (sizes.get(path) ?? 0), 0);
    discs.push({ disc: discLabel(folder), parts: found.length, size });
  }
  return { discs, absent: absent.size };
}
