import * as z from 'zod';
import type { Sri } from '../core/digest.ts';
import {
  MAX_NOTICE_DOCUMENT_BYTES,
  MAX_NOTICE_DOCUMENTS,
  MAX_SIGNATURES,
  MIB,
} from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { newerHints, schemaMember } from './document.ts';
import * as field from './field.ts';
import { exact } from './field.ts';

/** What a document of a notice can be. */
export const noticeContents = ['advisory', 'approval', 'promotion', 'recall', 'trust'] as const;
export type NoticeContent = (typeof noticeContents)[number];

export interface NoticeFile {
  readonly path: string;
  readonly size: number;
  readonly sha512: Sri;
}

/** A document, with the signatures of its own that travel beside it. */
export interface NoticeDocument extends NoticeFile {
  readonly content: NoticeContent;
  /** Each named `DOCUMENT.NAME.p7s`; empty if the signature of the notice is all that it needs. */
  readonly signatures: readonly NoticeFile[];
}

/** `notice.json`: what a signed folder of documents announces, and to whom. */
export interface Notice {
  readonly schema: 'stowage/notice/v1';
  /** Who counts the serials, such as the name of a fleet. */
  readonly issuer: string;
  /** Higher than in every earlier notice of this issuer to the same sites. */
  readonly serial: number;
  readonly createdAt: string;
  /** The names of the sites that it is for, sorted; absent for every site. */
  readonly sites?: readonly string[];
  /** Sorted by path. */
  readonly documents: readonly NoticeDocument[];
}

/** The files of a notice that are neither documents nor their signatures, besides `SHA512SUMS` and `signatures/`. */
export const noticeControl = ['VERIFY.txt', 'notice.json'] as const;

const file = {
  path: field.mediaPath,
  size: z.int().min(1).max(MAX_NOTICE_DOCUMENT_BYTES),
  sha512: field.sri,
};

const PLACES: Readonly<Record<NoticeContent, RegExp>> = {
  advisory: /^documents\/advisory-[0-9]{1,4}\.json$/,
  approval: /^documents\/approval-[0-9]{1,4}\.json$/,
  promotion: /^documents\/promotion-[0-9]{1,4}\.json$/,
  recall: /^documents\/recall-[0-9]{1,4}\.json$/,
  trust: /^trust\/[1-9][0-9]{0,14}\.trust\.json$/,
};

const SIGNATURE_NAME = /^\.[A-Za-z0-9][A-Za-z0-9._-]*\.p7s$/;

const schema: z.ZodType<Notice> = exact(
  z
    .strictObject({
      schema: z.literal('stowage/notice/v1'),
      issuer: field.name,
      serial: field.sequence,
      createdAt: field.moment,
      sites: z.array(field.name).min(1).max(10_000).exactOptional(),
      documents: z
        .array(
          z.strictObject({
            ...file,
            content: z.enum(noticeContents),
            signatures: z.array(z.strictObject(file)).max(MAX_SIGNATURES),
          }),
        )
        .min(1)
        .max(MAX_NOTICE_DOCUMENTS),
    })
    .superRefine(({ sites = [], documents }, context) => {
      const defect = (path: readonly (string | number)[], message: string): void =>
        context.addIssue({ code: 'custom', path: [...path], message });
      if (!isSorted(sites)) defect(['sites'], 'expected sorted names without duplicates');
      if (!isSorted(documents.map(({ path }) => path)))
        defect(['documents'], 'expected documents sorted by path, each once');
      for (const [at, { content, path, signatures }] of documents.entries()) {
        if (!PLACES[content].test(path))
          defect(['documents', at, 'path'], `not the path of a document of content ${content}`);
        const names = signatures.map((each) => each.path);
        if (!isSorted(names))
          defect(['documents', at, 'signatures'], 'expected signatures sorted by path, each once');
        if (names.some((each) => !isBeside(each, path)))
          defect(['documents', at, 'signatures'], 'expected files named DOCUMENT.NAME.p7s');
      }
    }),
);

function isSorted(names: readonly string[]): boolean {
  return names.every((name, at) => at === 0 || (names[at - 1] ?? '') < name);
}

function isBeside(signature: string, document: string): boolean {
  return signature.startsWith(document) && SIGNATURE_NAME.test(signature.slice(document.length));
}

export const noticeKind: DocumentKind<Notice> = {
  name: 'notice.json',
  versionIn: schemaMember('notice'),
  code: 'index-malformed',
  schema,
  maxBytes: MIB,
  hint: 'do not use this notice; ask the release engineer for another copy',
  newerHint: newerHints.site,
};

/** Every file of a notice that it lists, by path. */
export function noticeFiles({ documents }: Notice): ReadonlyMap<string, NoticeFile> {
  return new Map(
    documents.flatMap((each) => [each, ...each.signatures].map((file) => [file.path, file])),
  );
}

/** A notice in a few words, for messages. */
export function noticeName({ issuer, serial }: Pick<Notice, 'issuer' | 'serial'>): string {
  return `notice ${serial} of ${issuer}`;
}
