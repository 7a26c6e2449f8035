import { randomBytes } from 'node:crypto';
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

/** The key that signs a site's receipts, created at its first use, with a self-signed certificate. */
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
    subject: { commonName: `Stowage site ${siteName}`, organization: 'Stowage' },
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
