import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import { readReceipt } from '../../bundle/receipt.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import type { ClusterRecord } from '../../format/cluster-record.ts';
import { writeCanonical } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import type { Generation } from '../../format/plan.ts';
import { type Receipt, receiptKind, receiptSchema } from '../../format/receipt.ts';
import {
  exists,
  namesIn,
  readBounded,
  readIfThere,
  remove,
  renameIntoPlace,
  writeAtomic,
} from '../../io/file.ts';
import { decodeCertificates, encodeCertificate } from '../../trust/certificate-file.ts';
import { issueCertificate, positive } from '../../trust/certificate-issue.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { decodePrivateKey, encodePrivateKey, generateKey } from '../../trust/key.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { SiteFacts } from './site-facts.ts';

const VALID_YEARS = 20;
const NAME_PREFIX = 'Stowage site ';
/** Characters of a site's name in a common name: X.520 allows 64 in all. */
const MAX_NAME_CHARACTERS: number = 64 - NAME_PREFIX.length;
const DIGEST_CHARACTERS = 8;

/**
 * The key that signs a site's receipts, created at its first use, with a self-signed certificate. Created before a site is
 * changed for the first time, so that no change ends without a receipt for want of a key.
 */
export async function siteSigner(site: SiteFolder, siteName: string, now: Date): Promise<Signer> {
  await finishSwitch(site);
  const known = await readSigner(site, CURRENT);
  if (known !== undefined) return known;
  const made = newSigner(siteName, now);
  await writeSigner(site, CURRENT, made);
  return made;
}

/** The files of a key in the folder `keys` of a site. */
interface KeyFiles {
  readonly key: string;
  readonly certificate: string;
}

const CURRENT: KeyFiles = { key: 'site.key.pem', certificate: 'site.pem' };
/** A key that is about to replace the current one. */
export const NEXT: KeyFiles = { key: 'next.key.pem', certificate: 'next.pem' };

/** A key in the folder of a site; undefined unless both of its files are there. */
export async function readSigner(site: SiteFolder, files: KeyFiles): Promise<Signer | undefined> {
  const read = (name: string): Promise<Buffer | undefined> =>
    readIfThere(site.path('keys', name), MAX_CERTIFICATE_BYTES);
  const [key, pem] = [await read(files.key), await read(files.certificate)];
  if (key === undefined || pem === undefined) return undefined;
  const [certificate] = decodeCertificates(pem);
  return certificate && { key: decodePrivateKey(key), certificate };
}

/** The certificate is written first: a key without one would be used by nobody. */
export async function writeSigner(
  site: SiteFolder,
  files: KeyFiles,
  { key, certificate }: Signer,
): Promise<void> {
  await writeAtomic(
    site.path('keys', files.certificate),
    Buffer.from(encodeCertificate(certificate)),
  );
  await writeAtomic(site.path('keys', files.key), Buffer.from(encodePrivateKey(key)), 0o600);
}

/** Makes the next key the current one: its key first, so that {@link finishSwitch} sees what a kill left. */
export async function switchToNext(site: SiteFolder): Promise<void> {
  await renameIntoPlace(site.path('keys', NEXT.key), site.path('keys', CURRENT.key));
  await finishSwitch(site);
}

/** Completes a switch of which the key is in place and the certificate is not. */
async function finishSwitch(site: SiteFolder): Promise<void> {
  const [key, certificate] = [NEXT.key, NEXT.certificate].map((name) => site.path('keys', name));
  if (key === undefined || certificate === undefined) return;
  if ((await exists(key)) || !(await exists(certificate))) return;
  const current = await readIfThere(site.path('keys', CURRENT.key), MAX_CERTIFICATE_BYTES);
  const [next] = decodeCertificates(await readBounded(certificate, MAX_CERTIFICATE_BYTES));
  // A kill while the next key was written leaves its certificate alone as well.
  const belongs =
    current !== undefined &&
    next !== undefined &&
    createPublicKey(decodePrivateKey(current)).equals(next.publicKey);
  if (belongs) await renameIntoPlace(certificate, site.path('keys', CURRENT.certificate));
  else await remove(certificate);
}

/** A new key with a self-signed certificate. */
export function newSigner(siteName: string, now: Date): Signer {
  const { privateKey, publicKey } = generateKey();
  const notAfter = new Date(now);
  notAfter.setUTCFullYear(now.getUTCFullYear() + VALID_YEARS);
  const certificate = issueCertificate({
    subject: { commonName: `${NAME_PREFIX}${shortened(siteName)}`, organization: 'Stowage' },
    publicKey,
    key: privateKey,
    authority: false,
    notBefore: now,
    notAfter,
    serial: positive(randomBytes(16)),
  });
  return { key: privateKey, certificate };
}

/** A name that does not fit is cut, and ends with the beginning of its SHA-256, so that two sites still differ. */
function shortened(name: string): string {
  if (name.length <= MAX_NAME_CHARACTERS) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, DIGEST_CHARACTERS);
  return `${name.slice(0, MAX_NAME_CHARACTERS - DIGEST_CHARACTERS - 1)}-${digest}`;
}

/** The contents of a receipt. */
export interface ReceiptInput
  extends Pick<Receipt, 'intent' | 'outcome' | 'gates' | 'overrides' | 'ledger'> {
  /** The current generation. */
  readonly running: Generation;
  readonly facts: SiteFacts;
}

/** Writes and signs a receipt: `receipts/<moment>-<intent>.json` and `.p7s` next to it. */
export async function writeReceipt(
  site: SiteFolder,
  { running, facts, ...rest }: ReceiptInput,
  now: Date,
): Promise<Receipt> {
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
