import type { Database } from './index/database.ts';
import type { ReceiptState } from './receipt-state.ts';

/** A receipt in the history of a site. */
export interface PastReceipt {
  readonly path: string;
  readonly at: string;
  readonly intent: string;
  readonly outcome: string;
  readonly generation: number;
  readonly healthy: boolean;
  readonly releases: ReceiptState['releases'];
}

/** The receipts of a site, newest first. @param limit the most that are given */
export function receiptsOf(database: Database, site: string, limit: number): PastReceipt[] {
  return database
    .all<Omit<PastReceipt, 'healthy' | 'releases'> & { healthy: number; state: string }>(
      'SELECT path, at, intent, outcome, generation, healthy, state FROM receipt WHERE site = ? ORDER BY at DESC, entries DESC LIMIT ?',
      site,
      limit,
    )
    .map(({ state, healthy, ...rest }) => ({
      ...rest,
      healthy: healthy === 1,
      releases: (JSON.parse(state) as ReceiptState).releases,
    }));
}

/** How many receipts of a site are recorded. */
export function countReceipts(database: Database, site: string): number {
  const sql = 'SELECT count(*) AS count FROM receipt WHERE site = ?';
  return database.first<{ count: number }>(sql, site)?.count ?? 0;
}

/** Since when a site runs a bundle: the first of the receipts that show it without a break up to the newest. */
export function runningSince(database: Database, site: string, bundle: string): string | undefined {
  return (
    database.first<{ since: string | null }>(
      `SELECT min(at) AS since FROM receipt JOIN run ON run.receipt = id AND bundle = ?2
       WHERE site = ?1 AND at > coalesce((SELECT max(at) FROM receipt AS other WHERE site = ?1
         AND NOT EXISTS (SELECT 1 FROM run WHERE run.receipt = other.id AND bundle = ?2)), '')`,
      site,
      bundle,
    )?.since ?? undefined
  );
}
