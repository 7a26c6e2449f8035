import { digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MIB } from '../../core/limits.ts';
import type { Finding, Rule } from '../../format/finding.ts';
import type { LockedImage, LockedModelFile } from '../../format/locked-content.ts';
import type {
  ModelSignatureRequirement,
  SignatureRequirement,
  SignatureVerdict,
} from '../../format/upstream.ts';
import type { Registry } from '../../source/oci.ts';
import { verifyImageSignature } from './image-signature.ts';
import { verifyModelSignature } from './model-signature.ts';
import { printable, unsigned } from './refusal.ts';
import { type OpenedRequirement, openRequirement } from './signer.ts';

const MAX_MODEL_SIGNATURE_BYTES: number = 32 * MIB;

/** What every verification needs in addition to the content. */
export interface VerifyOptions {
  /** The folder that the paths of a requirement are relative to. */
  readonly folder: string;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** A model with its resolved files, at the source that has its signature. */
export interface PublishedModel {
  /** For messages. */
  readonly name: string;
  /** Every path at its source. */
  readonly listed: readonly string[];
  readonly files: readonly LockedModelFile[];
  /** A whole file of at most `maxBytes`. */
  readonly small: (path: string, maxBytes: number) => Promise<Buffer>;
}

/** An image with the bytes of its manifest or index, at the registry that it was resolved from. */
export interface PublishedImage {
  readonly image: Pick<LockedImage, 'repository' | 'target'>;
  readonly bytes: Buffer;
  readonly registry: Registry;
}

/**
 * Verifies the publisher's signature of a model.
 * @throws StowageError `upstream-unsigned`, `upstream-refused` where it is required; errors of source and files always
 */
export async function verifyModelPublisher(
  requirement: ModelSignatureRequirement,
  { name, files, small, ...model }: PublishedModel,
  { folder, now }: Omit<VerifyOptions, 'signal'>,
): Promise<SignatureVerdict> {
  const opened = await openRequirement(requirement, folder);
  return decide(opened, async () => {
    const { file } = requirement;
    const listed = new Set(model.listed);
    if (!listed.has(file)) throw unsigned(`model ${name}`, file, 'no such file in the repository');
    const bytes = await small(file, MAX_MODEL_SIGNATURE_BYTES);
    const verified = verifyModelSignature(bytes, { files, listed, signature: file }, opened, now);
    return { ...verified, signature: digestOf(bytes) };
  });
}

/** {@link verifyModelPublisher} for an image. */
export async function verifyImagePublisher(
  requirement: SignatureRequirement,
  { image, bytes, registry }: PublishedImage,
  { folder, now, signal }: VerifyOptions,
): Promise<SignatureVerdict> {
  const opened = await openRequirement(requirement, folder);
  const { repository, target } = image;
  return decide(opened, async () => {
    const { found, failures } = await registry.attached(repository, target.digest, signal);
    const verification = { image: { target, bytes }, opened, now };
    const verified = await verifyImageSignature(found, verification, (layer) =>
      registry.small(repository, layer, signal),
    );
    if (verified !== undefined) return verified;
    const [failure] = failures;
    if (failure !== undefined && requirement.required) throw unread(repository, failure);
    throw unsigned(
      `image ${repository}@${target.digest}`,
      'a cosign signature',
      failure?.message ?? 'none',
    );
  });
}

/** The error for a required signature that may exist but cannot be read. */
function unread(repository: string, failure: StowageError): StowageError {
  const { code, expected = '', found = '', hint, cause } = failure;
  return new StowageError(
    code,
    `the required signature of image ${repository} cannot be read: ${failure.message}`,
    { expected, found, hint, cause },
  );
}

/** A failure that is not required becomes a verdict; an error of a file, or of a required signature's source, never does. */
async function decide(
  { requirement: { required }, trusted }: OpenedRequirement,
  verify: () => Promise<Omit<SignatureVerdict, 'result' | 'trusted'>>,
): Promise<SignatureVerdict> {
  try {
    return { result: 'passed', ...(await verify()), trusted };
  } catch (error) {
    if (required || !(error instanceof StowageError)) throw error;
    if (error.code !== 'upstream-refused' && error.code !== 'upstream-unsigned') throw error;
    const found = error.found === undefined ? '' : `: ${error.found}`;
    return {
      result: error.code === 'upstream-refused' ? 'failed' : 'absent',
      reason: printable(`${error.message}${found}`),
      trusted,
      log: 'none',
    };
  }
}

/** Findings about a verdict, for the reviewer of the lock. */
export function verdictFindings(
  source: string,
  file: string,
  { identity, root }: SignatureRequirement,
  verdict: SignatureVerdict,
): Finding[] {
  const finding = (rule: Rule, severity: Finding['severity'], message: string): Finding => ({
    source,
    file,
    rule,
    severity,
    message,
  });
  if (verdict.result === 'failed')
    return [finding('upstream-signature-failed', 'warning', verdict.reason ?? 'invalid')];
  if (verdict.result === 'absent')
    return [finding('upstream-signature-absent', 'warning', verdict.reason ?? 'not signed')];
  const findings: Finding[] = [];
  if (root !== undefined && identity === undefined)
    findings.push(
      finding(
        'upstream-signer-any',
        'note',
        'the manifest accepts any signer under the given root',
      ),
    );
  if (verdict.log === 'unchecked')
    findings.push(
      finding(
        'upstream-log-unchecked',
        'note',
        'the transparency log entry was not verified: the manifest names no log',
      ),
    );
  for (const each of verdict.unsigned ?? [])
    findings.push({
      ...finding('upstream-file-unsigned', 'note', 'excluded from the signature by its own rules'),
      file: each,
    });
  return findings;
}
