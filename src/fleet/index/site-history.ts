import { readCanonical } from '../../format/document.ts';
import { fleetSiteKind } from '../../format/fleet.ts';
import type { HistoryPoint, OldKey } from '../history.ts';
import { certificateIn } from '../site-document.ts';
import type { Database } from './database.ts';

/** A receipt in the index. */
export interface IndexedPoint extends HistoryPoint {
  readonly id: number;
}

interface Row {
  readonly id: number;
  readonly path: string;
  readonly at: string;
  readonly entries: number;
  readonly head: string;
  readonly generation: number;
  readonly highest: number;
  readonly outcome: string;
  readonly key: string;
  readonly taken_at: string;
  readonly taken_by: string;
}

/** The receipts of a site, by their time. */
export function historyOf(database: Database, site: string): IndexedPoint[] {
  return database
    .all<Row>(
      'SELECT id, path, at, entries, head, generation, highest, outcome, key, taken_at, taken_by FROM receipt WHERE site = ? ORDER BY at, entries, path',
      site,
    )
    .map(({ taken_at, taken_by, outcome, ...rest }) => ({
      ...rest,
      undone: outcome === 'rolled-back',
      takenAt: taken_at,
      takenBy: `ledger/${taken_by}.json`,
    }));
}

/** The keys that a site gave up: by handing them over, or because a person confirmed another. */
export function oldKeysOf(database: Database, site: string): OldKey[] {
  const handed = database.all<OldKey>(
    'SELECT fingerprint, until, path FROM old_key WHERE site = ? ORDER BY until, path',
    site,
  );
  const documents = database
    .all<{ path: string; document: string }>(
      'SELECT path, document FROM site_document WHERE site = ? ORDER BY number',
      site,
    )
    .map(({ path, document }) => ({
      path,
      ...readCanonical(fleetSiteKind, Buffer.from(document)),
    }));
  const replaced = documents.flatMap(({ certificate }, index): OldKey[] => {
    const next = documents[index + 1];
    if (next === undefined || next.certificate === certificate) return [];
    const { fingerprint } = certificateIn(certificate);
    return [{ fingerprint, until: next.at, path: next.path }];
  });
  return [...handed, ...replaced];
}
