import { type Dispatch, dispatchKind } from '../format/dispatch.ts';
import { readCanonical, writeCanonical } from '../format/document.ts';
import type { TakenNotice } from '../format/ledger.ts';
import { type Receipt, receiptKind } from '../format/receipt.ts';
import { readBounded } from '../io/file.ts';
import type { ChangingFleet } from './change.ts';
import { dispatchPath, type FleetFolder } from './fleet-folder.ts';
import type { Database } from './index/database.ts';
import type { ReceiptState } from './receipt-state.ts';
import type { FleetStatus } from './status.ts';
import { noticeAsked } from './under-way.ts';

/** The dispatches to a site, oldest first. */
export function dispatchesTo(database: Database, site: string): Dispatch[] {
  return database
    .all<{ document: string }>('SELECT document FROM dispatch WHERE site = ? ORDER BY number', site)
    .map(({ document }) => readCanonical(dispatchKind, Buffer.from(document)));
}

/** Records what is about to be written to media. @throws StowageError `output-exists` */
export async function recordDispatch(fleet: ChangingFleet, dispatch: Dispatch): Promise<string> {
  const path = dispatchPath(dispatch);
  await fleet.add({
    ...{ action: 'dispatch', subject: `${dispatch.site} ${dispatch.number}` },
    files: [{ path, bytes: writeCanonical(dispatchKind, dispatch), recorded: true }],
  });
  return path;
}

/** The number and the serial after those of all earlier dispatches, and after what the site has imported. */
export function nextNumbers(
  dispatches: readonly Dispatch[],
  issuer: string,
  { notices = [] }: Pick<Receipt, 'notices'>,
): { readonly number: number; readonly serial: number } {
  const serials = [...notices, ...dispatches.flatMap(({ notice }) => notice ?? [])]
    .filter((each) => each.issuer === issuer)
    .map(({ serial }) => serial);
  return {
    number: (dispatches.at(-1)?.number ?? 0) + 1,
    serial: Math.max(0, ...serials) + 1,
  };
}

/** Whether a notice is the newest of its issuer that a site has imported. */
function isImported(notice: TakenNotice, { notices = [] }: Pick<Receipt, 'notices'>): boolean {
  const newest = notices.find(({ issuer }) => issuer === notice.issuer);
  return newest?.serial === notice.serial ? newest.notice === notice.notice : false;
}

/** The documents of a fleet that a site has, because it imported a notice with them. */
export function documentsAt(
  dispatches: readonly Dispatch[],
  receipt: Pick<Receipt, 'notices'>,
): ReadonlySet<string> {
  const imported = dispatches.findLastIndex(
    ({ notice }) => notice !== undefined && isImported(notice, receipt),
  );
  // Each notice repeats what no receipt had confirmed when it was written, so the site has what came before it as well.
  return new Set(dispatches.slice(0, imported + 1).flatMap(({ documents }) => documents));
}

/** The sites that have a document of the fleet by a notice, as their newest receipts show, by the path of the document. */
export function informedSites(
  database: Database,
  { sites }: Pick<FleetStatus, 'sites'>,
): ReadonlyMap<string, readonly string[]> {
  const informed = new Map<string, string[]>();
  const sent = new Set(
    database.all<{ site: string }>('SELECT DISTINCT site FROM dispatch').map(({ site }) => site),
  );
  for (const { site, receipt } of sites) {
    const { notices } = receipt?.state ?? {};
    if (notices === undefined || !sent.has(site.name)) continue;
    for (const path of documentsAt(dispatchesTo(database, site.name), { notices }))
      if (informed.get(path)?.push(site.name) === undefined) informed.set(path, [site.name]);
  }
  return informed;
}

/** What was asked of a site with one dispatch, and what its receipts show. */
export interface AskedAndDone {
  readonly number: number;
  readonly at: string;
  readonly asked: string;
  readonly done: boolean;
  /** What happened, in a few words. */
  readonly found: string;
}

interface SeenReceipt {
  readonly at: string;
  readonly state: ReceiptState;
}

/**
 * What was asked of a site, and what happened, by the receipts that came home.
 * @param newest the newest receipt; undefined if none came home
 */
export function askedAndDone(
  database: Database,
  dispatches: readonly Dispatch[],
  newest: Receipt | undefined,
): AskedAndDone[] {
  const [site] = dispatches.map((each) => each.site);
  if (site === undefined) return [];
  const since = dispatches[0]?.at ?? '';
  const seen = database
    .all<{ at: string; state: string }>(
      'SELECT at, state FROM receipt WHERE site = ? AND at >= ? ORDER BY at',
      site,
      since,
    )
    .map(({ at, state }): SeenReceipt => ({ at, state: JSON.parse(state) as ReceiptState }));
  return dispatches.flatMap((dispatch) => {
    const later = seen.filter(({ at }) => at >= dispatch.at);
    const waiting = later.length === 0 ? 'no receipt since' : 'not yet';
    const line = (asked: string, shown: string | undefined): AskedAndDone => ({
      ...{ number: dispatch.number, at: dispatch.at, asked },
      ...{ done: shown !== undefined, found: shown ?? waiting },
    });
    return [
      ...(dispatch.notice === undefined
        ? []
        : [line(noticeAsked(dispatch), noticeShown(dispatch.notice, later))]),
      ...dispatch.releases.map(({ name, version, bundle }) =>
        line(`${name} ${version}`, releaseShown(bundle, later, newest)),
      ),
    ];
  });
}

function noticeShown(
  { issuer, serial, notice }: TakenNotice,
  later: readonly SeenReceipt[],
): string | undefined {
  for (const { at, state } of later) {
    const found = state.notices?.find((each) => each.issuer === issuer);
    if (found === undefined || found.serial < serial) continue;
    if (found.serial > serial) return `replaced by notice ${found.serial}, ${at}`;
    return found.notice === notice
      ? `imported, ${at}`
      : `ANOTHER notice ${serial} was imported, ${at}`;
  }
  return undefined;
}

function releaseShown(
  bundle: string,
  later: readonly SeenReceipt[],
  newest: Receipt | undefined,
): string | undefined {
  const first = later.find(({ state }) => state.releases.some((each) => each.bundle === bundle));
  if (first !== undefined) return `runs, ${first.at}`;
  const held = later.length > 0 && newest?.holds?.bundles.some((each) => each.bundle === bundle);
  return held === true ? `imported, ${newest?.at}` : undefined;
}

/** The newest receipt of a site; undefined if none came home. */
export async function newestReceiptOf(
  database: Database,
  folder: FleetFolder,
  site: string,
): Promise<{ readonly path: string; readonly receipt: Receipt } | undefined> {
  const newest = database.first<{ path: string }>(
    'SELECT path FROM receipt WHERE id = (SELECT receipt FROM newest WHERE site = ?)',
    site,
  );
  if (newest === undefined) return undefined;
  const bytes = await readBounded(folder.path(newest.path), receiptKind.maxBytes);
  return { path: newest.path, receipt: readCanonical(receiptKind, bytes) };
}
