import { StowageError } from '../core/error.ts';
import {
  currentVersion,
  type DocumentKind,
  newerHints,
  readCanonical,
  type Versions,
  writeCanonical,
} from '../format/document.ts';
import { ledgerEntryKind, ledgerHeadKind } from '../format/ledger.ts';
import { noticeKind } from '../format/notice.ts';
import { generationKind, planKind } from '../format/plan.ts';
import { receiptKind } from '../format/receipt.ts';
import {
  chosenPartsKind,
  journalKind,
  type SiteFormat,
  siteFormatKind,
  stoppedServicesKind,
  storeDamageKind,
} from '../format/site-state.ts';
import { trustKind } from '../format/trust.ts';
import { writeAtomic } from '../io/file.ts';
import { convertGenerations } from './generations.ts';
import { readStateIfThere, type SiteFolder } from './site-folder.ts';

/** Every kind of document in a site's folder. */
const kept: Readonly<Record<string, Versions & Pick<DocumentKind<unknown>, 'name'>>> = {
  'chosen-parts': chosenPartsKind,
  generation: generationKind,
  'journal-entry': journalKind,
  'ledger-entry': ledgerEntryKind,
  'ledger-head': ledgerHeadKind,
  notice: noticeKind,
  plan: planKind,
  receipt: receiptKind,
  'stopped-services': stoppedServicesKind,
  'store-damage': storeDamageKind,
  trust: trustKind,
};

/** The current version of each kind. */
const own: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(kept).map(([name, kind]) => [name, currentVersion(kind)]),
);

/**
 * Refuses a site that a newer program has changed, before anything else in its folder is read. Reads only
 * `format.json` and writes nothing. A site without it was made by version 0.1.0, whose documents are all of version 1.
 * @throws StowageError `format-newer`, `state-damaged`
 */
export async function requireKnownFormat(site: SiteFolder): Promise<void> {
  requireKnown(await readFormat(site));
}

/**
 * Converts the folder of a site to the current format, under the site's lock. Writes `format.json` first, so an older
 * program refuses the site from then on, then replaces each generation by its converted form. After a kill, the next call
 * continues. Signed or chained documents (ledger, receipts, trust document), an interrupted plan and its journal are not
 * rewritten, but converted when they are read.
 * @throws StowageError `format-newer`, `state-damaged`, `io-failed`
 */
export async function upgradeFormat(site: SiteFolder): Promise<void> {
  const found = await readFormat(site);
  requireKnown(found);
  if (found?.converting === false && isOwn(found.versions)) return;
  await writeFormat(site, true);
  await convertGenerations(site);
  await writeFormat(site, false);
}

async function readFormat(site: SiteFolder): Promise<SiteFormat | undefined> {
  const bytes = await readStateIfThere(path(site), siteFormatKind.maxBytes);
  return bytes === undefined ? undefined : readCanonical(siteFormatKind, bytes);
}

async function writeFormat(site: SiteFolder, converting: boolean): Promise<void> {
  const format: SiteFormat = { schema: 'stowage/site-format/v1', versions: own, converting };
  await writeAtomic(path(site), writeCanonical(siteFormatKind, format));
}

function isOwn(versions: SiteFormat['versions']): boolean {
  const names = new Set([...Object.keys(own), ...Object.keys(versions)]);
  return [...names].every((name) => own[name] === versions[name]);
}

function requireKnown(format: SiteFormat | undefined): void {
  const newer = Object.entries(format?.versions ?? {}).filter(
    ([name, version]) => version > (Object.hasOwn(own, name) ? (own[name] ?? 0) : 0),
  );
  const [first] = newer;
  if (first === undefined) return;
  const inWords = ([name, version]: readonly [string, number]): string => `${name} v${version}`;
  throw new StowageError('format-newer', 'a newer version of stowage has changed this site', {
    expected: Object.entries(own).map(inWords).join(', '),
    found: newer.map(inWords).join(', '),
    hint: newerHints.site,
  });
}

function path(site: SiteFolder): string {
  return site.path('format.json');
}
