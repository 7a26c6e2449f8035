import { StowageError } from '../core/error.ts';
import { type DocumentKind, readCanonical, writeCanonical } from '../format/document.ts';
import { generationKind } from '../format/generation.ts';
import { journalKind } from '../format/journal.ts';
import { ledgerEntryKind, ledgerHeadKind } from '../format/ledger.ts';
import { planKind } from '../format/plan.ts';
import { receiptKind } from '../format/receipt.ts';
import { type SiteFormat, siteFormatKind } from '../format/site-format.ts';
import { trustKind } from '../format/trust.ts';
import { currentVersion, newerHints, type Versions } from '../format/version.ts';
import { readIfThere, removeTemporaries, writeAtomic } from '../io/file.ts';
import { convertGenerations } from './generations.ts';
import type { SiteFolder } from './site-folder.ts';

/** Every kind of document that a site keeps and this program writes. */
const kept: Readonly<Record<string, Versions & Pick<DocumentKind<unknown>, 'name'>>> = {
  generation: generationKind,
  'journal-entry': journalKind,
  'ledger-entry': ledgerEntryKind,
  'ledger-head': ledgerHeadKind,
  plan: planKind,
  receipt: receiptKind,
  trust: trustKind,
};

/** What this program reads and writes. */
const own: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(kept).map(([name, kind]) => [name, currentVersion(kind)]),
);

/**
 * Refuses a site that a newer program has changed, before anything else in its folder is looked at. Reads `format.json`
 * alone, and writes nothing; a site without it was made by version 0.1.0, whose documents are all of version 1.
 * @throws StowageError `format-newer`, `state-damaged`
 */
export async function requireKnownFormat(site: SiteFolder): Promise<void> {
  requireKnown(await readFormat(site));
}

/**
 * Brings the folder of a site to the format of this program: once, and for who holds the site's lock. What the folder may
 * hold is written down first, so that an older program refuses it from then on; then each generation is replaced by its
 * converted form. Killed at any point, the next call goes on. What is signed or chained (ledger, receipts, trust document)
 * stays as it is and is converted when it is read, and so is an interrupted plan with its journal.
 * @throws StowageError `format-newer`, `state-damaged`, `io-failed`
 */
export async function upgradeFormat(site: SiteFolder): Promise<void> {
  const found = await readFormat(site);
  requireKnown(found);
  if (found?.converting === false && isOwn(found.versions)) return;
  for (const each of [site.root, site.path('generations')]) await removeTemporaries(each);
  await writeFormat(site, true);
  await convertGenerations(site);
  await writeFormat(site, false);
}

async function readFormat(site: SiteFolder): Promise<SiteFormat | undefined> {
  const bytes = await readIfThere(path(site), siteFormatKind.maxBytes);
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
