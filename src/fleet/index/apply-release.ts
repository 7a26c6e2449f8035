import { dirname } from 'node:path';
import { readSignatures, requireSum } from '../../bundle/bundle-files.ts';
import { signaturesBeside } from '../../bundle/signing/signatures-beside.ts';
import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import { type Bundle, bundleKind, bundleSize } from '../../format/bundle.ts';
import { readChecksums } from '../../format/checksums.ts';
import { readCanonical } from '../../format/document.ts';
import { promotionKind, recallOrderKind } from '../../format/fleet-orders.ts';
import { readBounded } from '../../io/file.ts';
import { damagedFleet } from '../fleet-folder.ts';
import { judgeFact } from '../judged.ts';
import { releaseFolder } from '../release-folder.ts';
import { type Applying, misplaced, type Recorded, readRecorded } from './applying.ts';

/** The control files of a bundle, verified as at a site. */
export async function applyRelease(recorded: Recorded, applying: Applying): Promise<void> {
  const { folder, database, trust, now } = applying;
  const index = await readRecorded(recorded, folder);
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
  const content = await readRecorded(recorded, folder);
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
  const content = await readRecorded(recorded, folder);
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
