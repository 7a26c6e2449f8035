import { basename, dirname } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { fieldsOf, parseJson, textOf } from '../../core/json.ts';
import { MAX_NOTICE_DOCUMENT_BYTES } from '../../core/limits.ts';
import { readAdvisory } from '../../format/advisory.ts';
import { readCanonical } from '../../format/document.ts';
import { promotionKind, recallOrderKind } from '../../format/fleet-orders.ts';
import type { NoticeContent } from '../../format/notice.ts';
import { planKind } from '../../format/plan.ts';
import { readNamed } from '../../io/file.ts';
import { type TrustLink, walkFromFirst } from '../../trust/trust-chain.ts';
import { readChain, trustFileVersion } from '../admission/trust-files.ts';
import { signaturesBeside } from '../signing/signatures-beside.ts';
import type { NewNotice, NoticeInput } from './make-notice.ts';

/**
 * Reads the documents for a notice, with the signatures next to each: `FILE.NAME.p7s`. What a document is follows from its
 * content. A trust document `N.trust.json` brings the earlier ones of its folder, so that a site can follow the chain.
 * @throws StowageError `file-missing`, `document-invalid` for a file that no notice carries, and those of each document
 */
export async function readNoticeInputs(
  files: readonly string[],
  now: Date,
): Promise<Pick<NewNotice, 'documents' | 'chain'>> {
  const documents: NoticeInput[] = [];
  let chain: readonly TrustLink[] = [];
  for (const file of files) {
    const bytes = await readNamed(file, MAX_NOTICE_DOCUMENT_BYTES);
    const content = contentOf(file, bytes);
    if (content === 'trust') {
      const upTo = trustFileVersion(basename(file));
      if (upTo === undefined) throw notCarried(file, 'a trust document with another name');
      const links = await readChain(dirname(file), { above: 0, upTo });
      walkFromFirst(links, now);
      if (links.length > chain.length) chain = links;
      continue;
    }
    check[content](bytes);
    const signatures = content === 'advisory' ? [] : await signaturesBeside(file);
    documents.push({ content, bytes, signatures });
  }
  return { documents, chain };
}

const check: Readonly<Record<NoticeInput['content'], (bytes: Buffer) => unknown>> = {
  advisory: readAdvisory,
  approval: (bytes) => readCanonical(planKind, bytes),
  promotion: (bytes) => readCanonical(promotionKind, bytes),
  recall: (bytes) => readCanonical(recallOrderKind, bytes),
};

const SCHEMAS: readonly (readonly [prefix: string, content: NoticeContent])[] = [
  ['stowage/plan/v', 'approval'],
  ['stowage/promotion/v', 'promotion'],
  ['stowage/recall-order/v', 'recall'],
  ['stowage/trust/v', 'trust'],
];

function contentOf(file: string, bytes: Buffer): NoticeContent {
  const { schema, bomFormat } = fieldsOf(parsed(file, bytes));
  if (bomFormat === 'CycloneDX') return 'advisory';
  const name = textOf(schema) ?? '';
  const found = SCHEMAS.find(([prefix]) => name.startsWith(prefix));
  if (found === undefined)
    throw notCarried(file, name === '' ? 'another document' : `a document ${name}`);
  return found[1];
}

function parsed(file: string, bytes: Buffer): unknown {
  try {
    return parseJson(bytes);
  } catch (error) {
    if (error instanceof StowageError) throw notCarried(file, 'something other than JSON');
    throw error;
  }
}

function notCarried(file: string, found: string): StowageError {
  return new StowageError('document-invalid', `a notice cannot carry ${file}`, {
    expected:
      'a recall or promotion of a fleet, N.trust.json, a plan with approvals, or a CycloneDX VEX document in JSON',
    found,
    hint: 'give recalls and promotions from the folder of a fleet, trust documents, or plans with their approvals; other files travel in bundles',
  });
}
