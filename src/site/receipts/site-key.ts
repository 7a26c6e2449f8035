import { createHash, createPublicKey, randomBytes } from 'node:crypto';
import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import {
  exists,
  readBounded,
  readIfThere,
  remove,
  renameIntoPlace,
  writeAtomic,
} from '../../io/file.ts';
import { decodeCertificates, encodeCertificate } from '../../trust/certificate-file.ts';
import { issueCertificate, positive } from '../../trust/certificate-issue.ts';
import type { Signer } from '../../trust/cms-sign.ts';
import { decodePrivateKey, encodePrivateKey, generateKey } from '../../trust/key.ts';
import type { SiteFolder } from '../site-folder.ts';

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
