import { basename } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { MAX_CERTIFICATE_BYTES, MAX_TRUST_BYTES } from '../../core/limits.ts';
import { signatureName } from '../../deploy/sign.ts';
import { readCanonical } from '../../format/document.ts';
import { SIGNATURE_NAME } from '../../format/signing-request.ts';
import { type AlgorithmName, trustKind } from '../../format/trust.ts';
import { exists, readBounded, writeAtomic } from '../../io/file.ts';
import { decodeCertificates } from '../../trust/certificate-file.ts';
import { signDetached } from '../../trust/cms-sign.ts';
import { decodePrivateKey } from '../../trust/key.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { type PassphraseOptions, passphraseOf } from './passphrase.ts';

export interface TrustSignOptions extends PassphraseOptions {
  readonly key: string;
  readonly certificate: string;
  readonly name?: string;
  readonly algorithm?: AlgorithmName;
}

/** Adds a signature over the bytes of a trust document, `FILE.NAME.p7s`. */
export async function trustSign(
  file: string,
  options: TrustSignOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const path = context.path(file);
  const bytes = await readBounded(path, MAX_TRUST_BYTES);
  const { version } = readCanonical(trustKind, bytes);
  const [certificate, ...intermediates] = decodeCertificates(
    await readBounded(context.path(options.certificate), 4 * MAX_CERTIFICATE_BYTES),
  );
  if (certificate === undefined)
    throw usage('--certificate holds no certificate', 'the certificate of the key', 'none');
  const name = options.name ?? signatureName(certificate.subject);
  if (!SIGNATURE_NAME.test(name))
    throw usage('the name is not usable', 'lower-case letters, digits and hyphens', name);
  const output = `${path}.${name}.p7s`;
  if (await exists(output))
    throw new StowageError('output-exists', `${output} exists already`, {
      expected: 'a name that is free',
      found: 'a signature',
      hint: 'choose another --name, or remove the old signature',
    });
  const pem = await readBounded(context.path(options.key), MAX_CERTIFICATE_BYTES);
  const passphrase = await passphraseOf(pem, options.key, options, context);
  const key = decodePrivateKey(pem, passphrase);
  passphrase?.fill(0);
  const { algorithm } = options;
  const identity = {
    certificate,
    intermediates,
    ...(algorithm === undefined ? {} : { algorithm }),
  };
  await writeAtomic(output, signDetached(bytes, { ...identity, key }, context.now()));
  return {
    json: { signature: output, version, subject: certificate.subject, serial: certificate.serial },
    text: `${output}\n  trust document ${version} (${basename(path)}) signed by ${certificate.subject}\n`,
  };
}
