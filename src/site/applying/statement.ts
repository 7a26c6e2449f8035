import { join } from 'node:path';
import { readSignature } from '../../bundle/bundle-files.ts';
import { readCanonical, writeCanonical } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import { type KeyHandover, keyHandoverKind, type Receipt } from '../../format/receipt.ts';
import { readIfThere, remove, writeAtomic } from '../../io/file.ts';
import type { Certificate } from '../../trust/certificate.ts';
import { signDetached } from '../../trust/cms-sign.ts';
import { currentGeneration } from '../generations.ts';
import { writeReceipt } from '../receipts/receipt.ts';
import { siteFacts } from '../receipts/site-facts.ts';
import {
  NEXT,
  newSigner,
  readSigner,
  siteSigner,
  switchToNext,
  writeSigner,
} from '../receipts/site-key.ts';
import type { SiteContext } from '../site-folder.ts';
import { withSite } from './change.ts';

/** What replacing the key of a site gave. */
export interface ReplacedKey {
  /** The handover, signed with the old key in the `.p7s` next to it. */
  readonly file: string;
  readonly old: Certificate;
  readonly certificate: Certificate;
}

/**
 * Gives a site a new key for its receipts, and writes a handover that the old key signs. Killed at any instant, the next run
 * completes it with the same key.
 * @param folder where the handover is written, to travel to the fleet
 * @throws StowageError `file-missing`, `io-failed`, those of a change of a site
 */
export async function replaceSiteKey(options: SiteContext, folder: string): Promise<ReplacedKey> {
  const { site } = options;
  return withSite(options, async () => {
    const { name } = await site.site();
    const now = options.now();
    const old = await siteSigner(site, name, now);
    const [kept, signature] = [
      site.path('keys', 'handover.json'),
      site.path('keys', 'handover.p7s'),
    ];
    let next = await readSigner(site, NEXT);
    let bytes = await readIfThere(kept, keyHandoverKind.maxBytes);
    const begun = bytes === undefined ? undefined : readCanonical(keyHandoverKind, bytes);
    if (next === undefined || begun?.certificate !== next.certificate.der.toString('base64')) {
      next = newSigner(name, now);
      const handover: KeyHandover = {
        schema: 'stowage/key-handover/v1',
        ...{ site: name, at: momentOf(now) },
        certificate: next.certificate.der.toString('base64'),
      };
      bytes = writeCanonical(keyHandoverKind, handover);
      await remove(kept);
      await writeSigner(site, NEXT, next);
      await writeAtomic(signature, signDetached(bytes, old, now));
      await writeAtomic(kept, bytes);
    }
    const written = bytes ?? Buffer.alloc(0);
    const { at } = readCanonical(keyHandoverKind, written);
    const stem = join(folder, `${name}-handover-${at.replaceAll(':', '')}`);
    await writeAtomic(`${stem}.p7s`, await readSignature(signature));
    await writeAtomic(`${stem}.json`, written);
    await switchToNext(site);
    return { file: `${stem}.json`, old: old.certificate, certificate: next.certificate };
  });
}

const DAY_MILLISECONDS = 86_400_000;

/**
 * Writes a receipt of the current state of a site on request, without a change.
 * @param holdDays for how many days `gc` keeps the bundles that it lists; absent for no promise
 */
export async function writeStatement(options: SiteContext, holdDays?: number): Promise<Receipt> {
  const { site } = options;
  return withSite(options, async (ledger) => {
    const running = await currentGeneration(site);
    const about = { intent: 'statement', outcome: 'kept', gates: [], ledger: ledger.head } as const;
    const now = options.now();
    const promise =
      holdDays === undefined
        ? {}
        : { heldUntil: momentOf(new Date(now.getTime() + holdDays * DAY_MILLISECONDS)) };
    const facts = await siteFacts(running, { ...options, ...promise });
    return writeReceipt(site, { ...about, running, facts }, now);
  });
}
