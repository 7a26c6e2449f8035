import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import { approvePlan, readPlan } from '../../deploy/plan-approval.ts';
import { planDigest } from '../../deploy/plan-identity.ts';
import { signatureName } from '../../deploy/sign.ts';
import type { AlgorithmName } from '../../format/trust.ts';
import { readBounded } from '../../io/file.ts';
import { decodeCertificates } from '../../trust/certificate-file.ts';
import { decodePrivateKey } from '../../trust/key.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { type PassphraseOptions, passphraseOf } from './passphrase.ts';
import { planTable } from './plan-text.ts';

export interface ApproveOptions extends PassphraseOptions {
  readonly key: string;
  readonly certificate: string;
  readonly digest: string;
  readonly name?: string;
  readonly algorithm?: AlgorithmName;
}

/** Signs a plan, beside its file, for a site that applies none without. */
export async function approve(
  file: string,
  options: ApproveOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const place = context.path(file);
  const written = await readPlan(place);
  const digest = planDigest(written.plan);
  if (options.digest.toLowerCase().replace(/[^0-9a-f]/g, '') !== digest)
    throw usage('this is not the plan that was read', options.digest, digest);
  const certificates = decodeCertificates(
    await readBounded(context.path(options.certificate), 4 * MAX_CERTIFICATE_BYTES),
  );
  const [certificate, ...intermediates] = certificates;
  if (certificate === undefined) throw usage('no certificate', 'the one of the key', 'none');
  const pem = await readBounded(context.path(options.key), MAX_CERTIFICATE_BYTES);
  const passphrase = await passphraseOf(pem, options.key, options, context);
  const key = decodePrivateKey(pem, passphrase);
  passphrase?.fill(0);
  const { algorithm, name = signatureName(certificate.subject) } = options;
  const signer = {
    key,
    certificate,
    intermediates,
    ...(algorithm === undefined ? {} : { algorithm }),
  };
  const path = await approvePlan(place, written, name, signer, context.now());
  return {
    json: { digest, signature: path, subject: certificate.subject },
    text: `${planTable(written.plan)}approved by ${certificate.subject}: ${path}\n`,
  };
}
