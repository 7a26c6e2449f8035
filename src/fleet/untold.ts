import type { FleetSite } from '../format/fleet.ts';
import { dispatchesTo, documentsAt } from './dispatch.ts';
import type { Database } from './index/database.ts';
import type { ReceiptState } from './receipt-state.ts';
import type { Catalog } from './releases.ts';

/** A document of the fleet that travels in a notice. */
export interface UntoldDocument {
  /** Relative to the folder of the fleet. */
  readonly path: string;
  readonly content: 'recall' | 'promotion' | 'advisory';
}

/** What no receipt of a site confirms that it knows: recalls, promotions to its channels, and the newest advisories about what it runs. */
export type Untold = (
  site: FleetSite,
  receipt: Pick<ReceiptState, 'releases' | 'notices'>,
) => readonly UntoldDocument[];

/** Reads what a fleet has to tell, once for any number of sites. */
export function untoldIn(database: Database, { advisories }: Pick<Catalog, 'advisories'>): Untold {
  const recalls = database
    .all<{ path: string }>("SELECT path FROM recall WHERE path LIKE 'recalls/%' ORDER BY path")
    .map(({ path }) => ({ path, content: 'recall' as const }));
  const promotions = database.all<{ path: string; channel: string }>(
    'SELECT path, channel FROM promotion ORDER BY path',
  );
  return ({ name, channels }, receipt) => {
    const running = new Set(receipt.releases.map(({ bundle }) => bundle));
    const all = [
      ...recalls,
      ...promotions
        .filter(({ channel }) => channels.includes(channel))
        .map(({ path }) => ({ path, content: 'promotion' as const })),
      ...[...advisories.values()]
        .filter(({ bundle }) => running.has(bundle))
        .map(({ path }) => ({ path, content: 'advisory' as const })),
    ];
    if (all.length === 0) return [];
    const known = documentsAt(dispatchesTo(database, name), receipt);
    return all.filter(({ path }) => !known.has(path));
  };
}
