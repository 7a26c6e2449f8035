import { join } from 'node:path';
import { noticeContentsOf } from '../bundle/notice/notice-contents.ts';
import {
  type ReadNotice,
  readNoticeFiles,
  readNoticeIndex,
  readNoticeList,
} from '../bundle/notice/read-notice.ts';
import { sriHex, sriOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import type { Advisory } from '../format/advisory.ts';
import type { LedgerEntry } from '../format/ledger.ts';
import { exists, namesIn, remove, renameIntoPlace } from '../io/file.ts';
import { makeFolder, makeNewFolder } from '../io/folder.ts';
import type { SignatureFile } from '../trust/signature-file.ts';
import type { SiteFolder } from './site-folder.ts';

const PENDING = '.pending';

/** Where a site keeps a notice that it imported. @param id SHA-512 of its `SHA512SUMS` */
export function noticeFolder(site: SiteFolder, id: string): string {
  return site.path('notices', id.slice(0, 32));
}

/**
 * Stores a verified notice, whole and synced, under a name that counts only once the ledger records it; see
 * {@link settleNotices}.
 */
export async function storePending(
  site: SiteFolder,
  id: string,
  files: ReadonlyMap<string, Buffer>,
): Promise<void> {
  const folder = noticeFolder(site, id);
  const pending = `${folder}${PENDING}`;
  if ((await exists(folder)) || (await exists(pending))) return;
  const partial = `${folder}.partial`;
  await makeFolder(site.path('notices'));
  await makeNewFolder(partial);
  const { writeFiles } = await import('../bundle/notice/make-notice.ts');
  await writeFiles(partial, files);
  await renameIntoPlace(partial, pending);
}

/**
 * Gives every stored notice that the ledger records its name, and removes the others: a killed import recorded nothing of
 * them that counts, and is run again. Under the site's lock.
 */
export async function settleNotices(
  site: SiteFolder,
  entries: readonly LedgerEntry[],
): Promise<void> {
  const pending = (await namesIn(site.path('notices'))).filter((name) => name.endsWith(PENDING));
  for (const name of pending) {
    const path = site.path('notices', name);
    const id = name.slice(0, -PENDING.length);
    const isRecorded = entries.some(
      ({ event }) => event.kind === 'noticed' && event.notice.startsWith(id),
    );
    if (isRecorded) await renameIntoPlace(path, site.path('notices', id));
    else await remove(path);
  }
}

/** A notice as a site stores it, each file compared with what was signed. */
interface KeptNotice extends ReadNotice {
  readonly folder: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

/**
 * The stored notices that a ledger records, oldest first.
 * @throws StowageError `state-damaged` for one that is missing or was changed
 */
async function keptNotices(
  site: SiteFolder,
  entries: readonly LedgerEntry[],
): Promise<KeptNotice[]> {
  const ids = entries.flatMap(({ event }) => (event.kind === 'noticed' ? [event.notice] : []));
  const kept: KeptNotice[] = [];
  for (const id of new Set(ids)) {
    const settled = noticeFolder(site, id);
    // A command was killed before it gave the folder its name.
    const folder = (await exists(settled)) ? settled : `${settled}${PENDING}`;
    kept.push({ folder, ...(await readKept(folder, id)) });
  }
  return kept;
}

async function readKept(folder: string, id: string): Promise<Omit<KeptNotice, 'folder'>> {
  try {
    const list = await readNoticeList(folder);
    const found = sriHex(sriOf(list));
    if (found !== id) throw changed(folder, id, found);
    const read = await readNoticeIndex(folder, list);
    return { ...read, files: await readNoticeFiles(folder, read) };
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
    throw changed(folder, error.expected ?? '', error.found ?? '', error);
  }
}

function changed(folder: string, expected: string, found: string, cause?: unknown): StowageError {
  return new StowageError('state-damaged', `${folder} is not as it was imported`, {
    ...{ expected, found, cause },
    hint: 'find out what changed it, and restore the folder from the backup of the site',
  });
}

/** An advisory that came to a site, and in which notice. */
export interface KeptAdvisory extends Advisory {
  readonly issuer: string;
  readonly serial: number;
}

/** The newest advisory about each bundle or component; what a scanner found and what else was said count by themselves. @throws StowageError `state-damaged` */
export async function siteAdvisories(
  site: SiteFolder,
  entries: readonly LedgerEntry[],
): Promise<KeptAdvisory[]> {
  const newest = new Map<string, KeptAdvisory>();
  for (const { notice, files } of await keptNotices(site, entries)) {
    const { issuer, serial } = notice;
    for (const { path: _, ...advisory } of noticeContentsOf(notice, files).advisories) {
      const { bundle, about = '', scanner } = advisory;
      const key = `${bundle ?? about} ${scanner !== undefined}`;
      const before = newest.get(key);
      if (before === undefined || before.at <= advisory.at)
        newest.set(key, { ...advisory, issuer, serial });
    }
  }
  return [...newest.values()].toSorted((a, b) => (a.at > b.at ? -1 : 1));
}

/** The signatures over a plan that came in notices. @param digest of the plan, 128 hex digits. @throws StowageError `state-damaged` */
export async function approvalsIn(
  site: SiteFolder,
  entries: readonly LedgerEntry[],
  digest: string,
): Promise<SignatureFile[]> {
  const found: SignatureFile[] = [];
  for (const { notice, files } of await keptNotices(site, entries))
    for (const approval of noticeContentsOf(notice, files).approvals)
      if (approval.digest === digest) found.push(...approval.signatures);
  return found;
}

/** Where a plan that came with its approval is at a site, for `stowage apply`. */
export function approvedPlanPath(site: SiteFolder, id: string, path: string): string {
  return join(noticeFolder(site, id), path);
}
