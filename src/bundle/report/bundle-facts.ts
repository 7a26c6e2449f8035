import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_CONTROL_FILE_BYTES, MAX_INDEX_BYTES } from '../../core/limits.ts';
import { type Bundle, bundleKind } from '../../format/bundle.ts';
import { readChecksums } from '../../format/checksums.ts';
import { readCanonical, readJson } from '../../format/document.ts';
import type { Finding } from '../../format/finding.ts';
import { lockKind } from '../../format/lock.ts';
import type { ReportSignature } from '../../format/report.ts';
import type { Trust } from '../../format/trust.ts';
import { evaluateSignatures } from '../../trust/policy.ts';
import type { SignatureFile } from '../../trust/signature-file.ts';
import { approversOf } from '../admission/approval.ts';
import { trustOf } from '../admission/trust-files.ts';
import type { Admission } from '../admitted-bundle.ts';
import { readListed, readSignatures, requireSum } from '../bundle-files.ts';
import { type AttachedRehearsal, attachedRehearsal } from '../rehearsal/attached-rehearsal.ts';
import { describeRefused, describeVerdicts, markApprovals } from './describe-signatures.ts';

/** What a report can state about a bundle. */
export interface BundleFacts {
  /** SHA-512 of `SHA512SUMS`. */
  readonly id?: string;
  readonly signatures: readonly ReportSignature[];
  /** The trust document that applied: the given one, or the newest in the bundle whose chain starts at it. */
  readonly trust: Trust;
  /** Absent unless its signatures are valid. */
  readonly bundle?: Bundle;
  readonly findings?: readonly Finding[];
  /** Absent for a rejected bundle. */
  readonly attached?: AttachedRehearsal;
}

const LOCK = 'attestations/lock.json';

/** The facts about an admitted bundle, from the bytes that admission verified. */
export async function admittedFacts(admitted: Admission): Promise<BundleFacts> {
  const { bundle, id, signers, approvers, trust, controlFiles } = admitted;
  const read = async (path: string): Promise<Buffer> =>
    (await controlFiles.get(path)?.read()) ?? Buffer.alloc(0);
  const bytes = new Map<string, Buffer>();
  for (const path of controlFiles.keys())
    if (path.startsWith('signatures/')) bytes.set(path, await read(path));
  const described = describeVerdicts(
    signers,
    await read('SHA512SUMS'),
    (name) => bytes.get(`signatures/${name}`) ?? Buffer.alloc(0),
  );
  const signatures = markApprovals(described, approvers);
  const attached = await attachedRehearsal(bundle, async (path) => controlFiles.get(path)?.read());
  return {
    id,
    signatures,
    trust,
    bundle,
    attached,
    ...findingsOf(await controlFiles.get(LOCK)?.read()),
  };
}

/**
 * The facts about a rejected bundle, read again to identify it. Each fact is included only if everything it depends on
 * was verified; what cannot be read is left out. Never used for a decision.
 */
export async function refusedFacts(folder: string, given: Trust, now: Date): Promise<BundleFacts> {
  let facts: BundleFacts = { signatures: [], trust: given };
  try {
    const trust = await trustOf(folder, given, now);
    facts = { ...facts, trust };
    const list = await readListed(folder, 'SHA512SUMS', MAX_CHECKSUMS_BYTES, 'bundle-absent');
    facts = { ...facts, id: sriHex(sriOf(list)) };
    const signatures: readonly SignatureFile[] = await readSignatures(folder);
    facts = { ...facts, signatures: describeRefused(signatures, list, trust, now) };
    const signers = evaluateSignatures(trust, 'release', { content: list, signatures }, now);
    const approvers = approversOf({ trust, content: list, signatures, signers, now });
    facts = { ...facts, signatures: markApprovals(facts.signatures, approvers) };
    const checksums = readChecksums(list);
    const signed = async (path: string, maxBytes: number): Promise<Buffer> => {
      const bytes = await readListed(folder, path, maxBytes, 'part-missing');
      requireSum(checksums, path, bytes);
      return bytes;
    };
    const bundle = readCanonical(bundleKind, await signed('bundle.json', MAX_INDEX_BYTES));
    facts = { ...facts, bundle };
    facts = { ...facts, ...findingsOf(await signed(LOCK, MAX_CONTROL_FILE_BYTES)) };
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
  }
  return facts;
}

// Findings in a lock of another format version cannot be read; the report then shows none.
function findingsOf(lock: Buffer | undefined): Pick<BundleFacts, 'findings'> {
  if (lock === undefined) return {};
  try {
    return { findings: readJson(lockKind, lock).findings };
  } catch (error) {
    if (error instanceof StowageError) return {};
    throw error;
  }
}
