import { StowageError } from '../../core/error.ts';
import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import { signatureName, signBundle } from '../../deploy/sign.ts';
import { readBounded } from '../../io/file.ts';
import { decodeCertificates } from '../../trust/certificate-file.ts';
import { decodePrivateKey } from '../../trust/key.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { readPassphrase } from './passphrase.ts';

export interface SignOptions {
  readonly key: string;
  readonly certificate: string;
  readonly name?: string;
  readonly passphraseFile?: string;
}

export async function sign(
  folder: string,
  options: SignOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const passphrase = await readPassphrase(options.passphraseFile, context);
  const key = decodePrivateKey(
    await readBounded(context.path(options.key), MAX_CERTIFICATE_BYTES),
    passphrase,
  );
  const [certificate, ...intermediates] = decodeCertificates(
    await readBounded(context.path(options.certificate), 4 * MAX_CERTIFICATE_BYTES),
  );
  if (certificate === undefined) {
    throw new StowageError('certificate-invalid', 'the certificate file holds no certificate', {
      expected: 'the certificate of the key, and its intermediates after it',
      found: 'none',
      hint: 'give the certificate that belongs to the key',
    });
  }
  const name = options.name ?? signatureName(certificate.subject);
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(name))
    throw usage('the name is not usable', 'lower-case letters, digits and hyphens', name);
  const path = await signBundle(
    context.path(folder),
    name,
    { key, certificate, intermediates },
    context.now(),
  );
  return {
    json: { signature: path, subject: certificate.subject, serial: certificate.serial },
    text: `${path}\n  signed by ${certificate.subject}\n`,
  };
}
