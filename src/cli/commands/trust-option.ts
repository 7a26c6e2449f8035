import { type GivenTrust, readTrust } from '../../bundle/admission/trust-files.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CERTIFICATE_BYTES, MAX_TRUST_BYTES } from '../../core/limits.ts';
import { readTrustDocument, type Trust } from '../../format/trust.ts';
import { readNamed } from '../../io/file.ts';
import { decodeCertificates } from '../../trust/certificate-file.ts';
import { type CommandContext, usage } from '../command.ts';

/**
 * Reads a trust document.
 * @throws StowageError `document-invalid`, also for a root certificate, which `--trust` accepts in its place; as `readNamed`
 */
export async function readDocument(
  file: string,
  context: CommandContext,
): Promise<{ readonly trust: Trust; readonly bytes: Buffer }> {
  const bytes = await readNamed(context.path(file), MAX_TRUST_BYTES);
  const text = bytes.toString('latin1');
  if (text.startsWith('{') || !text.includes('-----BEGIN CERTIFICATE-----'))
    return { trust: readTrustDocument(bytes), bytes };
  throw new StowageError('document-invalid', `${file} is a certificate`, {
    expected: 'a trust document, in JSON',
    found: 'a certificate in PEM',
    hint: `openssl x509 -in ${file} -noout -subject -fingerprint -sha256 shows it; stowage trust init makes a trust document from root certificates`,
  });
}

/** Reads the trust document or root certificate given with `--trust`. */
export async function readTrustFile(file: string, context: CommandContext): Promise<GivenTrust> {
  return readTrust(await readNamed(context.path(file), MAX_TRUST_BYTES), context.now());
}

/** Splits `LEFT=RIGHT`. @throws StowageError `usage-invalid` */
export function splitPair(pair: string, option: string, form: string): [string, string] {
  const cut = pair.indexOf('=');
  if (cut > 0 && cut < pair.length - 1) return [pair.slice(0, cut), pair.slice(cut + 1)];
  throw usage(`invalid ${option}`, form, pair);
}

/** Reads the root given as `NAME=FILE`. */
export async function readRoot(
  pair: string,
  context: CommandContext,
): Promise<Trust['roots'][number]> {
  const [name, file] = splitPair(pair, 'root', 'NAME=FILE');
  const [certificate, ...others] = decodeCertificates(
    await readNamed(context.path(file), 2 * MAX_CERTIFICATE_BYTES),
  );
  if (certificate === undefined || others.length > 0)
    throw usage(
      'a root must be a single certificate',
      `one certificate in ${file}`,
      `${others.length + 1}`,
    );
  return { name, certificate: certificate.der.toString('base64') };
}
