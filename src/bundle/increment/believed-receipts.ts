import { join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { MAX_SIGNATURE_BYTES } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import { receiptKind } from '../../format/receipt.ts';
import { readBounded, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { type CheckedReceipt, readReceipt } from '../receipt.ts';
import { signatureOf } from '../signed-document.ts';

const DAY_MILLISECONDS = 86_400_000;
/** How far the clock of a site may be ahead, as for signatures. */
const MAX_AHEAD_MILLISECONDS = DAY_MILLISECONDS;

export interface BelieveOptions {
  /** The SHA-256 fingerprints of sites' certificates that a person confirmed. */
  readonly fingerprints: readonly string[];
  /** How old a receipt may be, in days. */
  readonly maxAgeDays: number;
  /** The folder of the newest receipt of each site that was used before, by the fingerprint of the site. */
  readonly used: string;
  readonly now: Date;
}

/**
 * Reads a receipt and decides whether to act on what it says: its signature holds, its signer is confirmed now or was
 * before, and it continues the receipts of that site that were used before. Nothing is recorded yet.
 * @throws StowageError `file-missing`, `document-invalid`, `signature-malformed`, `signature-invalid`, `signer-untrusted`,
 * `receipt-refused`
 */
export async function believeReceipt(
  file: string,
  options: BelieveOptions,
): Promise<CheckedReceipt> {
  const checked = await readReceipt(file);
  const before = await usedBefore(checked, options);
  if (before === undefined && !options.fingerprints.includes(checked.fingerprint))
    throw unknownSite(checked, options.fingerprints);
  requireTimely(checked, options);
  if (before !== undefined) requireLater(checked, before);
  return checked;
}

/** Records a receipt as used: an older one of that site is refused from now on, and its key is known. @throws StowageError `io-failed` */
export async function recordUsed(
  { file, fingerprint }: CheckedReceipt,
  used: string,
): Promise<void> {
  const bytes = await readBounded(file, receiptKind.maxBytes);
  const signature = await readBounded(signatureOf(file), MAX_SIGNATURE_BYTES);
  await makeFolder(used);
  // The signature first: with the receipt before it, the pair is damaged, and the site has to be confirmed again.
  await writeAtomic(signatureOf(usedFile(used, fingerprint)), signature);
  await writeAtomic(usedFile(used, fingerprint), bytes);
}

/** A record that is damaged is none: the fingerprint is asked for again. */
async function usedBefore(
  { fingerprint }: CheckedReceipt,
  { used }: BelieveOptions,
): Promise<CheckedReceipt | undefined> {
  try {
    const before = await readReceipt(usedFile(used, fingerprint));
    return before.fingerprint === fingerprint ? before : undefined;
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
    return undefined;
  }
}

function requireTimely(
  { receipt: { at, site } }: CheckedReceipt,
  { now, maxAgeDays }: BelieveOptions,
): void {
  const age = now.getTime() - Date.parse(at);
  if (age < -MAX_AHEAD_MILLISECONDS)
    throw refused(`the receipt of site ${site} is from the future`, {
      expected: `a time up to a day after ${now.toISOString()}`,
      found: at,
      hint: 'check the clock of this machine; if it is right, have the clock of the site set, and ask for a new receipt',
    });
  if (age > maxAgeDays * DAY_MILLISECONDS)
    throw refused(`the receipt of site ${site} is too old`, {
      expected: `at most ${counted(maxAgeDays, 'day')} old`,
      found: at,
      hint: 'ask the site for a new one: stowage receipt write',
    });
}

/** The ledger of a site only grows, so its receipts have an order that no clock decides. */
function requireLater({ receipt }: CheckedReceipt, { receipt: before }: CheckedReceipt): void {
  const { site, ledger, at } = receipt;
  const forked = ledger.number === before.ledger.number && ledger.digest !== before.ledger.digest;
  if (forked)
    throw refused(`two receipts of site ${site} contradict each other`, {
      expected: `ledger entry ${before.ledger.number} with digest ${before.ledger.digest}`,
      found: ledger.digest,
      hint: 'ask the site what happened: its folder was restored from a backup, or its key was copied',
    });
  const isOlder =
    ledger.number < before.ledger.number ||
    (ledger.number === before.ledger.number && at < before.at);
  if (isOlder)
    throw refused(`the receipt of site ${site} is older than one that was already used`, {
      expected: `ledger entry ${before.ledger.number} or later, written at ${before.at} or later`,
      found: `ledger entry ${ledger.number}, written at ${at}`,
      hint: 'give the newest receipt of the site; if this is the newest, its folder was restored from a backup: ask the site',
    });
}

function unknownSite(
  { receipt: { site }, fingerprint, subject }: CheckedReceipt,
  given: readonly string[],
): StowageError {
  if (given.length > 0)
    return new StowageError(
      'signer-untrusted',
      `the receipt of site ${site} was signed with another key than --fingerprint names`,
      {
        expected: `SHA-256 ${given.join(' or ')}`,
        found: `${subject}, SHA-256 ${fingerprint}`,
        hint: 'compare the fingerprint that was found with the one recorded when this site was set up: if they are equal, give it with --fingerprint, too; if not, do not use the receipt, and ask the site',
      },
    );
  return new StowageError(
    'signer-untrusted',
    `the receipt of site ${site} was signed with a key that is not known here`,
    {
      expected: 'the key of a site whose fingerprint was confirmed',
      found: `${subject}, SHA-256 ${fingerprint}`,
      hint: 'compare this fingerprint with the one recorded when the site was set up; if they are equal, give it with --fingerprint',
    },
  );
}

function refused(
  message: string,
  details: { readonly expected: string; readonly found: string; readonly hint: string },
): StowageError {
  return new StowageError('receipt-refused', message, details);
}

function usedFile(used: string, fingerprint: string): string {
  return join(used, `${fingerprint}.json`);
}
