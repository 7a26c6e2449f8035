import { counted } from '../core/text.ts';
import { type Dispatch, dispatchKind } from '../format/dispatch.ts';
import { readCanonical } from '../format/document.ts';
import type { Database } from './index/database.ts';
import type { ReceiptState } from './receipt-state.ts';

/** What the newest dispatch to a site asked for, as far as no receipt shows it. */
export interface UnderWay {
  /** The number of the dispatch, and when it was written. */
  readonly number: number;
  readonly at: string;
  /** What is waited for, in the order of import. */
  readonly asked: readonly string[];
  /** Whether a receipt of the site is newer than the dispatch. */
  readonly receiptSince: boolean;
}

/** The newest dispatch to each site. What no receipt confirmed before is in it again. */
export function newestDispatches(database: Database): ReadonlyMap<string, Dispatch> {
  const rows = database.all<{ site: string; document: string }>(
    'SELECT site, document FROM dispatch AS one WHERE number = (SELECT max(number) FROM dispatch WHERE site = one.site)',
  );
  return new Map(
    rows.map(({ site, document }) => [site, readCanonical(dispatchKind, Buffer.from(document))]),
  );
}

/** @returns undefined if the newest receipt shows everything */
export function underWay(
  dispatch: Dispatch,
  receipt: { readonly at: string; readonly state: ReceiptState } | undefined,
): UnderWay | undefined {
  const { number, at, notice, releases } = dispatch;
  const { notices = [], holds = [], releases: running = [] } = receipt?.state ?? {};
  const isImported = notices.some(
    ({ issuer, serial }) => issuer === notice?.issuer && serial >= notice.serial,
  );
  const has = new Set([...running, ...holds].map(({ bundle }) => bundle));
  const asked = [
    ...(notice === undefined || isImported ? [] : [noticeAsked(dispatch)]),
    ...releases
      .filter(({ bundle }) => !has.has(bundle))
      .map(({ name, version }) => `${name} ${version}`),
  ];
  if (asked.length === 0) return undefined;
  return { number, at, asked, receiptSince: receipt !== undefined && receipt.at >= at };
}

/** In words such as `notice 3 (1 recall, 2 promotions)`. */
export function noticeAsked({ notice, documents, trust }: Dispatch): string {
  const words = [
    documentsInWords(documents),
    ...(trust === undefined ? [] : [`trust document ${trust}`]),
  ];
  return `notice ${notice?.serial} (${words.filter((each) => each !== '').join(', ')})`;
}

/** What kinds of documents of the fleet these paths name, in words such as `1 recall, 2 promotions`. */
export function documentsInWords(documents: readonly string[]): string {
  const count = (folder: string, one: string): string[] => {
    const found = documents.filter((path) => path.startsWith(`${folder}/`)).length;
    return found === 0 ? [] : [counted(found, one, folder)];
  };
  return [
    ...count('recalls', 'recall'),
    ...count('promotions', 'promotion'),
    ...count('advisories', 'advisory'),
  ].join(', ');
}

/** What is waited for, in one line. */
export function waitingText({ asked, at, receiptSince }: UnderWay): string {
  const since = receiptSince ? 'not shown by its newest receipt' : 'no receipt since';
  return `${asked.join(', ')}, written ${at}; ${since}`;
}
