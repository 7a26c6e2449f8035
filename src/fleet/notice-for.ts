import { readChain } from '../bundle/admission/trust-files.ts';
import { type MadeNotice, makeNotice, type NoticeInput } from '../bundle/notice/make-notice.ts';
import { signaturesBeside } from '../bundle/signing/signatures-beside.ts';
import { momentOf } from '../format/field.ts';
import type { FleetSite } from '../format/fleet.ts';
import type { Receipt } from '../format/receipt.ts';
import type { TrustLink } from '../trust/trust-chain.ts';
import { recordedFile } from './index/database.ts';
import type { IndexedFleet } from './index/fleet-index.ts';
import { readRecorded } from './recorded-file.ts';
import { catalogOf } from './releases.ts';
import { untoldIn } from './untold.ts';

/** Why a notice for a site is written, and with which number. */
export interface NoticeNeed {
  readonly site: FleetSite;
  readonly receipt: Receipt;
  /** The name of the fleet. */
  readonly issuer: string;
  readonly serial: number;
  /** The newest trust document, if the site may not have it. */
  readonly trust?: number;
  readonly now: Date;
}

/** A notice, and which documents of the fleet are in it. */
export interface NoticeForSite {
  readonly made: MadeNotice;
  /** Relative to the folder of the fleet. */
  readonly documents: readonly string[];
}

/**
 * The notice that tells a site what it does not have according to its receipts: recalls, promotions to its channels, the newest
 * advisories about what it runs, and the trust documents. Nobody has signed it yet.
 * @returns undefined if there is nothing to tell
 * @throws StowageError `fleet-damaged`, `io-failed`
 */
export async function noticeFor(
  { database, folder }: IndexedFleet,
  need: NoticeNeed,
): Promise<NoticeForSite | undefined> {
  const { site, receipt, issuer, serial, trust, now } = need;
  const told = untoldIn(database, catalogOf(database))(site, receipt);
  const chain: readonly TrustLink[] =
    trust === undefined ? [] : await readChain(folder.path('trust'), { above: 0, upTo: trust });
  if (told.length === 0 && chain.length === 0) return undefined;
  const documents: NoticeInput[] = [];
  for (const { path, content } of told) {
    const recorded = recordedFile(database, path) ?? { path, sha512: '' };
    const bytes = readRecorded(recorded, folder.root);
    // An advisory counts by the signatures of the notice.
    const signatures = content === 'advisory' ? [] : await signaturesBeside(folder.path(path));
    documents.push({ content, bytes, signatures });
  }
  const made = makeNotice({
    ...{ issuer, serial, createdAt: momentOf(now), sites: [site.name] },
    ...{ documents, chain },
  });
  return { made, documents: told.map(({ path }) => path).toSorted() };
}
