import { dirname } from 'node:path';
import { readSignatures, requireSum } from '../../bundle/bundle-files.ts';
import { signaturesBeside } from '../../bundle/signing/signatures-beside.ts';
import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import { openIn, readAdvisory } from '../../format/advisory.ts';
import { type Bundle, bundleKind, bundleSize } from '../../format/bundle.ts';
import { readChecksums } from '../../format/checksums.ts';
import { dispatchKind } from '../../format/dispatch.ts';
import { readCanonical } from '../../format/document.ts';
import { fleetSiteKind } from '../../format/fleet.ts';
import { promotionKind, recallOrderKind } from '../../format/fleet-orders.ts';
import { readBounded } from '../../io/file.ts';
import { damagedFleet, dispatchPath, releaseFolder } from '../fleet-folder.ts';
import { judgeFact } from '../judged.ts';
import { type ReadingResult, resultOf, runReading } from '../reading/reading-task.ts';
import { misplaced, readRecorded } from '../recorded-file.ts';
import { certificateIn } from '../site-document.ts';
import type { VerifiedDocument } from '../verified-document.ts';
import type { Applying, Recorded } from './applying.ts';
import type { Database } from './database.ts';

/** The control files of a bundle, verified as at a site. */
export async function applyRelease(recorded: Recorded, applying: Applying): Promise<void> {
  const { folder, database, trust, now } = applying;
  const index = readRecorded(recorded, folder.root);
  const place = dirname(folder.path(recorded.path));
  const content = await readBounded(`${place}/SHA512SUMS`, MAX_CHECKSUMS_BYTES);
  judgeFact(trust, 'release', { content, signatures: await readSignatures(place) }, now);
  requireSum(readChecksums(content), 'bundle.json', index);
  const bundle = readCanonical(bundleKind, index);
  const id = sriHex(sriOf(content));
  if (recorded.path !== `${releaseFolder(id)}/bundle.json`) throw misplaced(recorded.path);
  const { name, version, seq, channel, resolvedAt, upgradeFrom } = bundle;
  database.put('release', {
    ...{ bundle: id, name, version, seq, channel, path: recorded.path },
    resolved_at: resolvedAt,
    bytes: bundleSize(bundle).bytes,
    upgrade_from: upgradeFrom ?? null,
  });
  applyRecalls(bundle, recorded, applying);
}

/** Recalls that a bundle or notice carries count for every site that imports it: forward only. */
function applyRecalls(bundle: Bundle, { path }: Recorded, { database }: Applying): void {
  for (const [at, { release, versions, reason }] of (bundle.recalls ?? []).entries())
    database.put('recall', {
      ...{ path: `${path}#${at}`, name: release, versions, reason },
      ...{ at: bundle.resolvedAt, back_to: null },
    });
}

export async function applyPromotion(recorded: Recorded, applying: Applying): Promise<void> {
  const { folder, database, trust, now } = applying;
  const { path } = recorded;
  const content = readRecorded(recorded, folder.root);
  const signatures = await signaturesBeside(folder.path(path));
  const released = judgeFact(trust, 'release', { content, signatures }, now);
  const promotion = readCanonical(promotionKind, content);
  const { bundle, to, at, approval } = promotion;
  if (path !== `promotions/${to}/${bundle.slice(0, 32)}.json`) throw misplaced(path);
  if (approval) {
    const approved = judgeFact(trust, 'approval', { content, signatures }, now);
    const keys = new Set(
      [...released, ...approved]
        .filter(({ counted }) => counted)
        .map((each) => each.keyFingerprint),
    );
    const { release, approval: role = release } = (trust.at(-1) ?? trust[0])?.roles ?? {};
    const needed = (release?.threshold ?? 1) + (role?.threshold ?? 1);
    if (keys.size < needed)
      throw new StowageError('threshold-unmet', 'too few approvals of this promotion', {
        expected: `${counted(needed, 'key')}, since one key cannot release and approve`,
        found: String(keys.size),
        hint: 'have somebody else sign it with stowage fleet sign --role approval',
      });
  }
  const known = database.first<{ name: string; version: string; seq: number }>(
    'SELECT name, version, seq FROM release WHERE bundle = ?',
    bundle,
  );
  if (known === undefined || known.name !== promotion.release || known.seq !== promotion.seq)
    throw damagedFleet(`${path} promotes a bundle that this fleet does not know`, {
      expected: `the release of bundle ${bundle.slice(0, 16)}`,
      found: known === undefined ? 'none' : `${known.name} ${known.version}`,
    });
  database.put('promotion', { path, bundle, channel: to, at });
}

export async function applyRecall(recorded: Recorded, applying: Applying): Promise<void> {
  const { folder, database, trust, now } = applying;
  const { path } = recorded;
  const content = readRecorded(recorded, folder.root);
  const signatures = await signaturesBeside(folder.path(path));
  judgeFact(trust, 'release', { content, signatures }, now);
  const recall = readCanonical(recallOrderKind, content);
  const { release, number, versions, reason, at, strategy } = recall;
  if (path !== `recalls/${release}/${number}.json`) throw misplaced(path);
  database.put('recall', {
    ...{ path, name: release, versions, reason, at },
    back_to: strategy === 'forward' ? null : strategy.backTo,
  });
}

/** What a scan found in a release, and what people said of it. */
export async function applyAdvisory(recorded: Recorded, applying: Applying): Promise<void> {
  const { folder, database, trust, now } = applying;
  const { path } = recorded;
  const content = readRecorded(recorded, folder.root);
  const signatures = await signaturesBeside(folder.path(path));
  judgeFact(trust, 'release', { content, signatures }, now);
  const advisory = readAdvisory(content);
  const { at, bundle = '', vulnerabilities } = advisory;
  const release = database.first<{ name: string }>(
    'SELECT name FROM release WHERE bundle = ?',
    bundle,
  );
  if (release === undefined || path.split('/')[1] !== release.name) throw misplaced(path);
  const counts = { total: vulnerabilities.length, open: openIn(advisory).length };
  database.put('advisory', { path, bundle, at, ...counts });
}

/** The order in which documents are applied: sites before what their keys signed, releases before their promotions. */
export const applyingOrder = [
  'sites',
  'handovers',
  'releases',
  'promotions',
  'recalls',
  'advisories',
  'dispatches',
  'receipts',
] as const;
type Kind = (typeof applyingOrder)[number];

/** Whether a document is applied by itself: signatures and the SBOMs of releases are read with what they belong to. */
export function isApplied(path: string): boolean {
  if (!applyingOrder.some((each) => each === folderOf(path))) return false;
  return path.startsWith('releases/') ? path.endsWith('/bundle.json') : path.endsWith('.json');
}

/** Reads a recorded document and checks it as if it had just come; one that does not hold is listed as a defect. */
export async function applyDocument(recorded: Recorded, applying: Applying): Promise<void> {
  await listingDefects(recorded, applying, () =>
    appliers[folderOf(recorded.path) as Kind](recorded, applying),
  );
}

/** {@link applyDocument} of one that was read elsewhere, or verified when it came. */
export async function applyRead(
  recorded: Recorded,
  read: ReadingResult,
  applying: Applying,
): Promise<void> {
  await listingDefects(recorded, applying, async () =>
    applyOfSite(recorded, resultOf(read).document, applying),
  );
}

async function listingDefects(
  { path }: Recorded,
  { database }: Applying,
  apply: () => Promise<void>,
): Promise<void> {
  try {
    await apply();
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
    const { code, message, found } = error;
    const text = found === undefined || found === '' ? message : `${message}: ${found}`;
    database.put('defect', { path, code, text });
  }
}

const appliers: Readonly<Record<Kind, (recorded: Recorded, to: Applying) => Promise<void>>> = {
  sites: applySite,
  handovers: readAndApply,
  releases: applyRelease,
  promotions: applyPromotion,
  recalls: applyRecall,
  advisories: applyAdvisory,
  dispatches: applyDispatch,
  receipts: readAndApply,
};

function folderOf(path: string): string {
  return path.slice(0, path.indexOf('/'));
}

async function applySite(recorded: Recorded, applying: Applying): Promise<void> {
  const { database, folder, trust, now, touched } = applying;
  const bytes = readRecorded(recorded, folder.root);
  const signatures = await signaturesBeside(folder.path(recorded.path));
  judgeFact(trust, 'release', { content: bytes, signatures }, now);
  const site = readCanonical(fleetSiteKind, bytes);
  const { path } = recorded;
  requirePath(path, `sites/${site.name}/${site.number}.json`);
  const document = bytes.toString('utf8');
  database.put('site_document', { site: site.name, number: site.number, path, document });
  const { fingerprint } = certificateIn(site.certificate);
  database.put('site_key', { site: site.name, fingerprint });
  touched.add(site.name);
}

/** Nobody signs it: it says what was written to media, and not what counts. */
async function applyDispatch(recorded: Recorded, { database, folder }: Applying): Promise<void> {
  const bytes = readRecorded(recorded, folder.root);
  const dispatch = readCanonical(dispatchKind, bytes);
  requirePath(recorded.path, dispatchPath(dispatch));
  const { site, number } = dispatch;
  database.put('dispatch', { site, number, document: bytes.toString('utf8') });
}

async function readAndApply(recorded: Recorded, applying: Applying): Promise<void> {
  const { folder, verified } = applying;
  const known = verified.get(recorded.path);
  const document = known ?? resultOf(runReading({ root: folder.root, recorded })).document;
  applyOfSite(recorded, document, applying);
}

/** A receipt or handover whose signature is valid. */
function applyOfSite(recorded: Recorded, document: VerifiedDocument, applying: Applying): void {
  const { database, touched } = applying;
  const { path } = recorded;
  const { site, at, key, kind } = document;
  if (folderOf(path) !== `${kind}s`) throw misplaced(path);
  requireKey(database, site, key);
  touched.add(site);
  if (kind === 'handover') {
    database.put('site_key', { site, fingerprint: document.successor });
    database.put('old_key', { site, until: at, path, fingerprint: key });
    return;
  }
  const { entries, head, generation, highest, intent, outcome, healthy, state } = document;
  const receipt = database.put('receipt', {
    ...{ path, site, at, entries, head, generation, highest, intent, outcome, key, state },
    healthy: healthy ? 1 : 0,
    taken_at: recorded.at,
    taken_by: recorded.entry,
  });
  for (const bundle of document.bundles) database.put('run', { receipt, bundle });
}

/** @throws StowageError `signer-untrusted` unless the key is one of the site's */
export function requireKey(database: Database, site: string, fingerprint: string): void {
  const keys = database.all<{ fingerprint: string }>(
    'SELECT fingerprint FROM site_key WHERE site = ?',
    site,
  );
  if (keys.some((each) => each.fingerprint === fingerprint)) return;
  const owner = database.first<{ site: string }>(
    'SELECT site FROM site_key WHERE fingerprint = ?',
    fingerprint,
  );
  throw new StowageError(
    'signer-untrusted',
    keys.length === 0
      ? `this fleet has no site ${site}`
      : `the key is not one that site ${site} has in this fleet`,
    {
      expected: keys.map((each) => each.fingerprint).join(' or ') || 'a site of this fleet',
      found:
        owner === undefined
          ? `certificate ${fingerprint}`
          : `certificate ${fingerprint} of site ${owner.site}`,
      hint:
        keys.length === 0
          ? 'add the site with stowage fleet add-site, after comparing its fingerprint with the one on paper'
          : 'ask the site why its key changed; if it was rebuilt, compare the new fingerprint and run stowage fleet change-site --receipt',
    },
  );
}

function requirePath(path: string, expected: string): void {
  if (path !== expected) throw misplaced(path);
}
