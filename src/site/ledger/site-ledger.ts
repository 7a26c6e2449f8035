import { StowageError } from '../../core/error.ts';
import { readCanonical } from '../../format/document.ts';
import type { LedgerHead, LedgerUser } from '../../format/ledger.ts';
import { receiptKind } from '../../format/receipt.ts';
import { exists, namesIn, readBounded } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';
import { Ledger } from './ledger.ts';

/**
 * A site's ledger, to append to, checked against the site's receipts and trust document. This detects a missing ledger or
 * an old copy. It does not detect that all of them were replaced together; a receipt kept elsewhere does.
 * @param by who appends to it
 * @throws StowageError `state-damaged`
 */
export async function openLedger(site: SiteFolder, by?: LedgerUser): Promise<Ledger> {
  const ledger = await Ledger.open(site.path('ledger'), await witnesses(site), by);
  return requirePresent(site, ledger);
}

/** Like {@link openLedger}, but writes nothing. */
export async function readLedger(site: SiteFolder): Promise<Ledger> {
  const ledger = await Ledger.read(site.path('ledger'), await witnesses(site));
  return requirePresent(site, ledger);
}

async function requirePresent(site: SiteFolder, ledger: Ledger): Promise<Ledger> {
  if (ledger.head.number > 0 || !(await exists(site.path('trust.json')))) return ledger;
  throw new StowageError('state-damaged', 'the ledger of this site is missing', {
    expected: site.path('ledger'),
    found: 'nothing, although the site has a trust document',
    hint: 'restore the latest copy of the ledger; without it, an older bundle could be accepted',
  });
}

/** The ledger head in each receipt: not only in the newest, which could have been replaced. */
async function witnesses(site: SiteFolder): Promise<LedgerHead[]> {
  const names = await namesIn(site.path('receipts'));
  const heads: LedgerHead[] = [];
  for (const name of names.filter((each) => each.endsWith('.json'))) {
    const bytes = await readBounded(site.path('receipts', name), receiptKind.maxBytes);
    heads.push(readCanonical(receiptKind, bytes).ledger);
  }
  return heads;
}
