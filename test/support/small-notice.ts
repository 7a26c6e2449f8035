import {
  type MadeNotice,
  makeNotice,
  type NewNotice,
  type NoticeInput,
  writeNoticeFolder,
} from '../../src/bundle/notice/make-notice.ts';
import { sriHex, sriOf } from '../../src/core/digest.ts';
import { canonicalBytes, type Json } from '../../src/core/json.ts';
import { writeChecksums } from '../../src/format/checksums.ts';
import { writeCanonical } from '../../src/format/document.ts';
import {
  type Promotion,
  promotionKind,
  type RecallOrder,
  recallOrderKind,
} from '../../src/format/fleet-orders.ts';
import type { Notice } from '../../src/format/notice.ts';
import { type Signer, signDetached } from '../../src/trust/cms-sign.ts';
import type { Holder } from '../trust/authority.ts';
import { makeParty, type Party, pin, rolesOf, TrustSimulator } from '../trust/simulator.ts';
import { packedAt } from './context.ts';

/** Who signs notices, approvals and trust documents. */
export interface NoticeAuthority {
  readonly trust: TrustSimulator;
  readonly approver: Party;
}

export function noticeAuthority(): NoticeAuthority {
  const approver = makeParty('approver');
  const trust = new TrustSimulator();
  trust.clock = packedAt;
  trust.pinned = {
    ...trust.pinned,
    roots: [...trust.pinned.roots, pin(approver)],
    roles: {
      ...rolesOf({ threshold: 1, roots: ['keeper'] }),
      approval: { threshold: 1, roots: ['approver'] },
    },
  };
  return { trust, approver };
}

export function recallOf(values: Partial<RecallOrder> = {}): NoticeInput {
  const recall: RecallOrder = {
    ...{ schema: 'stowage/recall-order/v1', number: 1, release: 'chat', versions: '<1.1.0' },
    ...{ reason: 'leaks prompts', strategy: 'forward', at: '2026-11-20T00:00:00Z' },
    ...values,
  };
  return { content: 'recall', bytes: writeCanonical(recallOrderKind, recall), signatures: [] };
}

/** @param by who approves it; nobody if absent */
export function promotionOf(values: Partial<Promotion> = {}, by?: Holder): NoticeInput {
  const promotion: Promotion = {
    ...{ schema: 'stowage/promotion/v1', release: 'chat', version: '1.1.0', seq: 2 },
    ...{ bundle: 'b'.repeat(128), from: 'candidate', to: 'stable', at: '2026-11-20T00:00:00Z' },
    ...{ evidence: [], approval: by !== undefined },
    ...values,
  };
  const bytes = writeCanonical(promotionKind, promotion);
  return { content: 'promotion', bytes, signatures: signedBy(bytes, by) };
}

export function signedBy(bytes: Buffer, by: Holder | undefined): NoticeInput['signatures'] {
  if (by === undefined) return [];
  return [{ name: 'x.json.approval.p7s', bytes: signDetached(bytes, by, packedAt) }];
}

export function advisoryOf(
  at = '2026-11-19T08:00:00Z',
  ids: readonly string[] = ['CVE-2026-1'],
): NoticeInput {
  const advisory = {
    ...{ bomFormat: 'CycloneDX', specVersion: '1.6' },
    metadata: { timestamp: at, component: { type: 'application', name: 'chat', version: '1.0.0' } },
    vulnerabilities: ids.map((id) => ({ id, analysis: { state: 'exploitable' } })),
  };
  return { content: 'advisory', bytes: canonicalBytes(advisory), signatures: [] };
}

export interface SmallNoticeOptions extends Partial<NewNotice> {
  readonly authority: NoticeAuthority;
  /** A path where nothing is. */
  readonly folder: string;
  /** Who signs it, in place of the vendor. */
  readonly by?: readonly Signer[];
  /** Bends its files; the list and the signature are made of the result. */
  readonly bend?: (files: Map<string, Buffer>) => void;
  /** Bends `notice.json`, valid or not. */
  readonly index?: (notice: Notice) => object;
}

/** A signed notice. */
export async function smallNotice(options: SmallNoticeOptions): Promise<MadeNotice> {
  const {
    authority,
    folder,
    bend,
    index,
    by = [authority.trust.vendor.signer],
    ...values
  } = options;
  const made = makeNotice({
    ...{ issuer: 'works', serial: 1, createdAt: '2026-11-21T09:00:00Z' },
    ...{ documents: [recallOf()], chain: [] },
    ...values,
  });
  const files = new Map(made.files);
  if (index !== undefined)
    files.set('notice.json', canonicalBytes(index(made.notice) as unknown as Json));
  bend?.(files);
  files.delete('SHA512SUMS');
  const list = writeChecksums([...files].map(([path, bytes]) => ({ path, sha512: sriOf(bytes) })));
  files.set('SHA512SUMS', list);
  for (const [at, holder] of by.entries())
    files.set(`signatures/signer-${at}.p7s`, signDetached(list, holder, packedAt));
  await writeNoticeFolder(folder, files);
  return { ...made, id: sriHex(sriOf(list)), files };
}
