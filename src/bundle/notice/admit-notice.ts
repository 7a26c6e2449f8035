import type { Context } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import type { Notice } from '../../format/notice.ts';
import type { Trust } from '../../format/trust.ts';
import { evaluateSignatures, type SignerVerdict } from '../../trust/policy.ts';
import { prefixing } from '../../trust/signature-file.ts';
import { requireFresh } from '../admission/admission-policy.ts';
import { requireApproved } from '../admission/approval.ts';
import { trustOf } from '../admission/trust-files.ts';
import { readSignatures } from '../bundle-files.ts';
import { missingFiles, takeInventory } from '../inventory.ts';
import { throwWorst } from '../worst-fault.ts';
import { type NoticeContents, noticeContentsOf } from './notice-contents.ts';
import { type NoticePolicy, requireForSite, requireNewerNotice } from './notice-policy.ts';
import { readNoticeFiles, readNoticeIndex, readNoticeList } from './read-notice.ts';

export interface AdmitNoticeOptions extends Context {
  /** The pinned trust document; the notice may contain newer ones. */
  readonly trust: Trust;
  /** Absent when a notice is verified away from any site. */
  readonly policy?: NoticePolicy;
}

/** A notice of which every byte was verified. */
export interface AdmittedNotice {
  /** SHA-512 of `SHA512SUMS`, 128 hex digits. */
  readonly id: string;
  readonly notice: Notice;
  readonly signers: readonly SignerVerdict[];
  /** The newest trust document that its chain leads to, or the pinned one. */
  readonly trust: Trust;
  /** Every file with its bytes, `SHA512SUMS` and the signatures included. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly contents: NoticeContents;
  /** Whether exactly this notice is the newest of its issuer that the site has imported. */
  readonly known: boolean;
}

/**
 * Decides whether a notice in a folder may be imported, in the order of bundles: the chain of trust documents, the signatures of the
 * role `release` over `SHA512SUMS` in memory, the list, `notice.json`, site and serial, age, the files that are there, and last its
 * documents. Nothing is parsed before the signatures hold, except the signatures themselves and trust documents that the pinned one
 * verifies. Each file is read once.
 * @throws StowageError as each check: `release-foreign`, `release-rollback`, `release-equivocation`, `release-leap`, `release-expired`,
 * `index-malformed`, `index-mismatch`, `part-damaged`, `part-missing`, `file-unexpected`, `file-kind`, those of signatures
 */
export async function admitNotice(
  folder: string,
  { trust: pinned, policy, ...context }: AdmitNoticeOptions,
): Promise<AdmittedNotice> {
  const now = context.now();
  const step = (name: string): void => context.emit({ type: 'step', step: name });
  step('trust');
  const trust = await trustOf(folder, pinned, now);

  step('signatures');
  const list = await readNoticeList(folder);
  const signatures = await readSignatures(folder);
  const signers = evaluateSignatures(trust, 'release', { content: list, signatures }, now);

  step('index');
  const read = await readNoticeIndex(folder, list);
  const { id, notice, checksums } = read;

  step('identity');
  if (policy !== undefined) requireForSite(notice, policy);
  step('sequence');
  const known = policy !== undefined && requireNewerNotice(notice, id, policy);
  if (policy !== undefined && policy.acceptAge === undefined) requireFresh(signers, trust, now);

  step('inventory');
  const { files: present, faults } = await takeInventory(folder, checksums);
  const missing = missingFiles(checksums, [present]);
  throwWorst([...faults, ...(missing === undefined ? [] : [missing])]);
  const documents = await readNoticeFiles(folder, read);
  const contents = noticeContentsOf(notice, documents);
  requireOwnSignatures(contents, { trust, signers, now, policy });
  const files = new Map([
    ...documents,
    ...signatures.map(({ name, bytes }) => [`signatures/${name}`, bytes] as const),
  ]);
  return { id, notice, signers, trust, files, contents, known };
}

interface Judging {
  readonly trust: Trust;
  readonly signers: readonly SignerVerdict[];
  readonly now: Date;
  readonly policy: NoticePolicy | undefined;
}

/** Promotions that need an approval, and approvals of plans: by keys that did not sign the notice. */
function requireOwnSignatures(
  { promotions, approvals }: NoticeContents,
  { trust, signers, now, policy }: Judging,
): void {
  const approve = ({
    path,
    content,
    signatures,
  }: NoticeContents['approvals'][number] | NoticeContents['promotions'][number]): void => {
    prefixing(path, () => {
      if (signatures.length === 0) throw unapproved(path);
      requireApproved({ trust, content, signatures, signers, now });
    });
  };
  for (const each of promotions)
    if (each.promotion.approval || policy?.requireApproval === true) approve(each);
  for (const each of approvals) approve(each);
}

function unapproved(path: string): StowageError {
  return new StowageError('signature-missing', 'it needs signatures of the role approval', {
    expected: `${path}.NAME.p7s`,
    found: 'none',
    hint: 'ask the release engineer for a notice whose promotion or plan was approved; stowage fleet sign and stowage approve do that',
  });
}
