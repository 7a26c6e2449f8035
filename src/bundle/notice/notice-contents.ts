import { sriHex, sriOf } from '../../core/digest.ts';
import { type Advisory, readAdvisory } from '../../format/advisory.ts';
import { type DocumentKind, readCanonical } from '../../format/document.ts';
import {
  type Promotion,
  promotionKind,
  type RecallOrder,
  recallOrderKind,
} from '../../format/fleet-orders.ts';
import { type Notice, type NoticeDocument, noticeKind } from '../../format/notice.ts';
import { type Plan, planKind } from '../../format/plan.ts';
import { prefixing, type SignatureFile, type SignedContent } from '../../trust/signature-file.ts';

/** A document of a notice with its own signatures. */
interface Carried extends SignedContent {
  readonly path: string;
}

export interface CarriedPromotion extends Carried {
  readonly promotion: Promotion;
}

export interface CarriedApproval extends Carried {
  readonly plan: Plan;
  /** SHA-512 of the plan, 128 hex digits. */
  readonly digest: string;
}

/** What the documents of a notice say, but for trust documents, which count by their own chain. */
export interface NoticeContents {
  readonly recalls: readonly RecallOrder[];
  readonly promotions: readonly CarriedPromotion[];
  readonly approvals: readonly CarriedApproval[];
  readonly advisories: readonly (Advisory & { readonly path: string })[];
}

/**
 * Reads the documents of a notice, which must be verified.
 * @param files as the list has them
 * @throws StowageError `index-malformed`, `format-newer`
 */
export function noticeContentsOf(
  { documents }: Notice,
  files: ReadonlyMap<string, Buffer>,
): NoticeContents {
  const bytesOf = (path: string): Buffer => files.get(path) ?? Buffer.alloc(0);
  const carried = ({ path, signatures }: NoticeDocument): Carried => ({
    path,
    content: bytesOf(path),
    signatures: signatures.map(
      (each): SignatureFile => ({ name: each.path, bytes: bytesOf(each.path) }),
    ),
  });
  const all = <T>(content: NoticeDocument['content'], read: (document: Carried) => T): T[] =>
    documents
      .filter((each) => each.content === content)
      .map((each) => prefixing(each.path, () => read(carried(each))));
  return {
    recalls: all('recall', ({ content }) => readCanonical(inNotice(recallOrderKind), content)),
    promotions: all('promotion', (each) => ({
      ...each,
      promotion: readCanonical(inNotice(promotionKind), each.content),
    })),
    approvals: all('approval', (each) => ({
      ...each,
      plan: readCanonical(inNotice(planKind), each.content),
      digest: sriHex(sriOf(each.content)),
    })),
    advisories: all('advisory', ({ path, content }) => ({ path, ...readAdvisory(content) })),
  };
}

/** A kind of document as a notice carries it: nobody at a site can correct it. */
function inNotice<T>(kind: DocumentKind<T>): DocumentKind<T> {
  return { ...kind, code: noticeKind.code, hint: noticeKind.hint };
}
