import { StowageError } from '../../core/error.ts';
import { readCanonical } from '../../format/document.ts';
import type { LedgerHead } from '../../format/ledger.ts';
import { receiptKind } from '../../format/receipt.ts';
import { exists, namesIn, readBounded } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';
import { Ledger } from './ledger.ts';

/**
 * A site's ledger, to append to, held against the receipts that the site wrote and against its trust document: one
 * that is gone, or an old copy put back, does not reach what they remember. Who replaces all of them together is
 * not detected here; a receipt that left the site still tells.
 * @throws StowageError `state-damaged`
 */
export async function openLedger(site: SiteFolder): Promise<Ledger> {
  const ledger = await Ledger.open(site.path('ledger'), await witnesses(site));
  return requireThere(site, ledger);
}

/** {@link openLedger} for who only looks: nothing is written. */
export async function readLedger(site: SiteFolder): Promise<Ledger> {
  const ledger = await Ledger.read(site.path('ledger'), await witnesses(site));
  return requireThere(site, ledger);
}

async function requireThere(site: SiteFolder, ledger: Ledger): Promise<Ledger> {
  if (ledger.head.number > 0 || !(await exists(site.path('trust.json')))) return ledger;
  throw new StowageError('state-damaged', 'the ledger of this site is gone', {
    expected: site.path('ledger'),
    found: 'nothing, at a site that trusts someone already',
    hint: 'put the newest copy of the ledger back; without it an older bundle could come in again',
  });
}

/** The end of the ledger that each receipt saw; the newest receipt says most, the others catch an exchange of it. */
async function witnesses(site: SiteFolder): Promise<LedgerHead[]> {
  const names = await namesIn(site.path('receipts'));
  const heads: LedgerHead[] = [];
  for (const name of names.filter((each) => each.endsWith('.json'))) {
    const bytes = await readBounded(site.path('receipts', name), receiptKind.maxBytes);
    heads.push(readCanonical(receiptKind, bytes).ledger);
  }
  return heads;
}
