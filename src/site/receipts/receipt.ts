import { readReceipt } from '../../bundle/receipt.ts';
import { StowageError } from '../../core/error.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import type { ClusterRecord } from '../../format/cluster-record.ts';
import { writeCanonical } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import type { Generation } from '../../format/plan.ts';
import { type Receipt, receiptKind, receiptSchema } from '../../format/receipt.ts';
import { namesIn, writeAtomic } from '../../io/file.ts';
import { signDetached } from '../../trust/cms-sign.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { SiteFacts } from './site-facts.ts';
import { siteSigner } from './site-key.ts';

/** The contents of a receipt. */
export interface ReceiptInput
  extends Pick<Receipt, 'intent' | 'outcome' | 'gates' | 'overrides' | 'ledger'> {
  /** The current generation. */
  readonly running: Generation;
  readonly facts: SiteFacts;
}

/** A receipt with its signature, as files contain them. */
export interface SignedReceipt {
  readonly receipt: Receipt;
  readonly bytes: Buffer;
  readonly signature: Buffer;
}

/** Makes and signs a receipt, and writes nothing. */
export async function signReceipt(
  site: SiteFolder,
  { running, facts, ...rest }: ReceiptInput,
  now: Date,
): Promise<SignedReceipt> {
  const { name } = await site.site();
  const receipt: Receipt = {
    schema: receiptSchema({ ...facts, ...rest }),
    site: name,
    at: momentOf(now),
    tool: `${PRODUCT} ${PRODUCT_VERSION}`,
    generation: running.number,
    releases: running.releases.map((each) => ({
      name: each.name,
      version: each.version,
      seq: each.seq,
      bundle: each.bundle,
    })),
    ...facts,
    ...rest,
  };
  const bytes = writeCanonical(receiptKind, receipt);
  const signature = signDetached(bytes, await siteSigner(site, name, now), now);
  return { receipt, bytes, signature };
}

/** Writes and signs a receipt: `receipts/<moment>-<intent>.json` and `.p7s` next to it. */
export async function writeReceipt(
  site: SiteFolder,
  input: ReceiptInput,
  now: Date,
): Promise<Receipt> {
  const { receipt, bytes, signature } = await signReceipt(site, input, now);
  const milliseconds = String(now.getMilliseconds()).padStart(3, '0');
  const moment = `${receipt.at.replaceAll(':', '')}-${milliseconds}`;
  const stem = site.path('receipts', `${moment}-${receipt.intent}`);
  await writeAtomic(`${stem}.json`, bytes);
  await writeAtomic(`${stem}.p7s`, signature);
  return receipt;
}

/** The file of the newest receipt of a site. @throws StowageError `file-missing` when there is none */
export async function newestReceipt(site: SiteFolder): Promise<string> {
  const folder = site.path('receipts');
  const newest = (await namesIn(folder)).findLast((each) => each.endsWith('.json'));
  if (newest !== undefined) return site.path('receipts', newest);
  throw new StowageError('file-missing', 'this site has no receipt yet', {
    expected: `a receipt in ${folder}`,
    found: 'none',
    hint: 'run stowage receipt write to create one',
  });
}

/** The cluster in each signed receipt of a site, by the number of the ledger entry that it follows. Unreadable ones are skipped. */
export async function recordedClusters(
  site: SiteFolder,
): Promise<ReadonlyMap<number, ClusterRecord>> {
  const clusters = new Map<number, ClusterRecord>();
  const folder = site.path('receipts');
  for (const name of (await namesIn(folder)).filter((each) => each.endsWith('.json'))) {
    try {
      const { receipt } = await readReceipt(site.path('receipts', name));
      if (receipt.cluster !== undefined && receipt.intent !== 'statement')
        clusters.set(receipt.ledger.number, receipt.cluster);
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
    }
  }
  return clusters;
}
