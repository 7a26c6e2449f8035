import { createHash, randomBytes } from 'node:crypto';
import { StowageError } from '../../core/error.ts';
import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import { readBounded, writeAtomic } from '../../io/file.ts';
import { decodeCertificates, encodeCertificate } from '../../trust/certificate-file.ts';
import { issueCertificate } from '../../trust/certificate-issue.ts';
import type { Signer } from '../../trust/cms-sign.ts';
import { decodePrivateKey, encodePrivateKey, generateKey } from '../../trust/key.ts';
import { positive } from '../../trust/throwaway.ts';
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
  const keyPath = site.path('keys', 'site.key.pem');
  const certificatePath = site.path('keys', 'site.pem');
  try {
    const key = decodePrivateKey(await readBounded(keyPath, MAX_CERTIFICATE_BYTES));
    const [certificate] = decodeCertificates(
      await readBounded(certificatePath, MAX_CERTIFICATE_BYTES),
    );
    if (certificate !== undefined) return { key, certificate };
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'file-missing') throw error;
  }
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
  await writeAtomic(certificatePath, Buffer.from(encodeCertificate(certificate)));
  await writeAtomic(keyPath, Buffer.from(encodePrivateKey(privateKey)), 0o600);
  return { key: privateKey, certificate };
}

/** A name that does not fit is cut, and ends with the beginning of its SHA-256, so that two sites still differ. */
function shortened(name: string): string {
  if (name.length <= MAX_NAME_CHARACTERS) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, DIGEST_CHARACTERS);
  return `${name.slice(0, MAX_NAME_CHARACTERS - DIGEST_CHARACTERS - 1)}-${digest}`;
}
