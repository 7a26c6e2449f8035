import type { KeyObject } from 'node:crypto';
import { signatureName } from '../../bundle/signing/sign.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import { SIGNATURE_NAME } from '../../format/signing-request.ts';
import type { AlgorithmName } from '../../format/trust.ts';
import { readNamed } from '../../io/file.ts';
import { decodeCertificates } from '../../trust/certificate-file.ts';
import type { Signer } from '../../trust/cms-sign.ts';
import { decodePrivateKey } from '../../trust/key.ts';
import { type CommandContext, usage } from '../command.ts';
import { type PassphraseOptions, passphraseOf } from './passphrase.ts';

/** The signer and the name of the signature. */
export interface SignerOptions {
  readonly certificate: string;
  readonly name?: string;
  readonly algorithm?: AlgorithmName;
}

/** The same, with the key in a file. */
export interface KeyOptions extends SignerOptions, PassphraseOptions {
  readonly key: string;
}

/** The signer without the key, which is opened only after all other checks. */
export type Identity = Omit<Signer, 'key'>;

/** @throws StowageError `certificate-invalid`, `file-missing` */
export async function readIdentity(
  { certificate: file, algorithm }: Pick<SignerOptions, 'certificate' | 'algorithm'>,
  context: CommandContext,
): Promise<Identity> {
  const bytes = await readNamed(context.path(file), 4 * MAX_CERTIFICATE_BYTES);
  const [certificate, ...intermediates] = decodeCertificates(bytes);
  if (certificate === undefined)
    throw new StowageError('certificate-invalid', 'no certificate in the certificate file', {
      expected: 'the certificate of the key, followed by its intermediates',
      found: 'none',
      hint: 'give the certificate that belongs to the key',
    });
  return { certificate, intermediates, ...(algorithm === undefined ? {} : { algorithm }) };
}

/** The name of a signature: as given, or from the certificate. @throws StowageError `usage-invalid` */
export function nameOf(
  { certificate }: Identity,
  asked: string | undefined,
  role?: Parameters<typeof signatureName>[1],
): string {
  const name = asked ?? signatureName(certificate.subject, role);
  if (SIGNATURE_NAME.test(name)) return name;
  throw usage('invalid signature name', 'lower-case letters, digits and hyphens', name);
}

/**
 * Opens a key file. Prompts for the passphrase if needed, and clears it afterwards.
 * @throws StowageError `key-invalid`, `file-missing`
 */
export async function readKey(
  file: string,
  options: PassphraseOptions,
  context: CommandContext,
): Promise<KeyObject> {
  const pem = await readNamed(context.path(file), MAX_CERTIFICATE_BYTES);
  const passphrase = await passphraseOf(pem, file, options, context);
  try {
    return decodePrivateKey(pem, passphrase);
  } finally {
    passphrase?.fill(0);
  }
}
