import { digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MIB } from '../../core/limits.ts';
import type { Finding, Rule } from '../../format/finding.ts';
import type { LockedImage, LockedModelFile } from '../../format/lock.ts';
import type {
  ModelSignatureDemand,
  SignatureDemand,
  SignatureVerdict,
} from '../../format/upstream.ts';
import type { Hub, HubModel } from '../../source/hugging-face.ts';
import type { Registry } from '../../source/oci.ts';
import { openDemand } from './demand.ts';
import { verifyImageSignature } from './image-signature.ts';
import { verifyModelSignature } from './model-signature.ts';
import { printable, unsigned } from './refusal.ts';

const MAX_MODEL_SIGNATURE_BYTES: number = 32 * MIB;

/** What every judgement needs beside the content. */
export interface JudgeOptions {
  /** What the paths of a demand are relative to. */
  readonly folder: string;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/**
 * Verifies the signature of a model, whose files are known.
 * @throws StowageError `upstream-unsigned`, `upstream-refused` where it is required; errors of source and files always
 */
export async function judgeModel(
  demand: ModelSignatureDemand,
  model: HubModel,
  files: readonly LockedModelFile[],
  hub: Hub,
  options: JudgeOptions,
): Promise<SignatureVerdict> {
  const opened = await openDemand(demand, options.folder);
  return judge(demand, opened.trusted, async () => {
    const listed = new Set(model.files.map(({ path }) => path));
    if (!listed.has(demand.file))
      throw unsigned(`model ${model.repository}`, demand.file, 'no such file in the repository');
    const bytes = await hub.small(model, demand.file, MAX_MODEL_SIGNATURE_BYTES, options.signal);
    const about = { files, listed, signature: demand.file };
    const found = verifyModelSignature(bytes, about, opened, options.now);
    return { ...found, signature: digestOf(bytes) };
  });
}

/** {@link judgeModel} for an image, at the registry that it was resolved at. */
export async function judgeImage(
  demand: SignatureDemand,
  image: Pick<LockedImage, 'repository' | 'target'>,
  bytes: Buffer,
  registry: Registry,
  options: JudgeOptions,
): Promise<SignatureVerdict> {
  const opened = await openDemand(demand, options.folder);
  const { repository, target } = image;
  return judge(demand, opened.trusted, async () => {
    const attached = await registry.attached(repository, target.digest, options.signal);
    const found = await verifyImageSignature(
      attached,
      { target, bytes },
      opened,
      options.now,
      (layer) => registry.small(repository, layer, options.signal),
    );
    if (found !== undefined) return found;
    throw unsigned(`image ${repository}@${target.digest}`, 'a cosign signature', 'none');
  });
}

async function judge(
  { required }: SignatureDemand,
  trusted: SignatureVerdict['trusted'],
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

/** What a person should know about a verdict. */
export function verdictFindings(
  source: string,
  file: string,
  { identity, root }: SignatureDemand,
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
    return [finding('upstream-signature-failed', 'warning', verdict.reason ?? 'does not hold')];
  if (verdict.result === 'absent')
    return [finding('upstream-signature-absent', 'warning', verdict.reason ?? 'not signed')];
  const findings: Finding[] = [];
  if (root !== undefined && identity === undefined)
    findings.push(
      finding('upstream-signer-any', 'note', 'any signer under the given root would be accepted'),
    );
  if (verdict.log === 'unchecked')
    findings.push(
      finding('upstream-log-unchecked', 'note', 'a transparency log entry came along, unchecked'),
    );
  for (const each of verdict.unsigned ?? [])
    findings.push({
      ...finding('upstream-file-unsigned', 'note', 'left out of the signature by its own rules'),
      file: each,
    });
  return findings;
}
