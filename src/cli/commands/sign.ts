import { StowageError } from '../../core/error.ts';
import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import { openForSigning, signatureName, signBundle } from '../../deploy/sign.ts';
import { SIGNATURE_NAME } from '../../format/signing-request.ts';
import { readBounded } from '../../io/file.ts';
import { decodeCertificates } from '../../trust/certificate-file.ts';
import { decodePrivateKey } from '../../trust/key.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { passphraseOf } from './passphrase.ts';
import { attach, prepare, signByCommand } from './sign-elsewhere.ts';
import { type ChosenSigner, checkOptions, type SignOptions, signedResult } from './sign-options.ts';

export async function sign(
  folder: string,
  options: SignOptions,
  context: CommandContext,
): Promise<CommandResult> {
  checkOptions(options);
  if (options.attach !== undefined) return attach(folder, options, context);
  const chosen = await chooseSigner(options, context);
  if (options.prepare !== undefined) return prepare(folder, options, chosen, context);
  if (options.signerCommand !== undefined) return signByCommand(folder, options, chosen, context);
  return signByFile(folder, options, chosen, context);
}

async function signByFile(
  folder: string,
  options: SignOptions,
  { identity, name }: ChosenSigner,
  context: CommandContext,
): Promise<CommandResult> {
  const place = context.path(folder);
  await openForSigning(place, name);
  const file = options.key ?? '';
  const pem = await readBounded(context.path(file), MAX_CERTIFICATE_BYTES);
  const passphrase = await passphraseOf(pem, file, options, context);
  const key = decodePrivateKey(pem, passphrase);
  passphrase?.fill(0);
  const path = await signBundle(place, name, { ...identity, key }, context.now());
  return signedResult(path, identity.certificate);
}

async function chooseSigner(options: SignOptions, context: CommandContext): Promise<ChosenSigner> {
  const [certificate, ...intermediates] = decodeCertificates(
    await readBounded(context.path(options.certificate ?? ''), 4 * MAX_CERTIFICATE_BYTES),
  );
  if (certificate === undefined) {
    throw new StowageError('certificate-invalid', 'the certificate file holds no certificate', {
      expected: 'the certificate of the key, and its intermediates after it',
      found: 'none',
      hint: 'give the certificate that belongs to the key',
    });
  }
  const name = options.name ?? signatureName(certificate.subject, options.role);
  if (!SIGNATURE_NAME.test(name))
    throw usage('the name is not usable', 'lower-case letters, digits and hyphens', name);
  const { algorithm } = options;
  const identity = {
    certificate,
    intermediates,
    ...(algorithm === undefined ? {} : { algorithm }),
  };
  return { identity, name };
}
