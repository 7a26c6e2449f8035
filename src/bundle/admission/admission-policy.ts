import { StowageError } from '../../core/error.ts';
import { MAX_SEQ_STEP } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { AdmissionHistory, PromotedBundle } from '../../format/ledger.ts';
import type { Site } from '../../format/site.ts';
import type { Trust } from '../../format/trust.ts';
import type { SignerVerdict } from '../../trust/policy.ts';
import { recallOf } from './recall.ts';

/** What a site requires of a bundle besides valid signatures. */
export interface SitePolicy {
  readonly channels: readonly string[];
  /** This host's platform, such as `linux/amd64`. */
  readonly platform: string;
  readonly state: AdmissionHistory;
  /** What notices promoted to further channels. */
  readonly promoted?: readonly PromotedBundle[];
  /** Whether the role `approval` must have signed as well. */
  readonly requireApproval?: boolean;
  /** The reason for accepting a bundle that fails only the age check. */
  readonly acceptAge?: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** @throws StowageError `release-foreign` for a channel that the trust document does not allow */
export function requireTrustedChannel(bundle: Bundle, { channels, version }: Trust): void {
  if (channels === undefined || channels.includes(bundle.channel)) return;
  throw new StowageError(
    'release-foreign',
    `trust document ${version} does not allow channel ${bundle.channel}`,
    {
      expected: channels.join(', '),
      found: bundle.channel,
      hint: 'check that this is the right bundle for this site; only a newer trust document can add a channel',
    },
  );
}

/** @throws StowageError `release-rollback` for a bundle below the floor that the trust document sets */
export function requireSeqFloor(bundle: Bundle, { seqFloor = {}, version }: Trust): void {
  const key = `${bundle.name}/${bundle.channel}`;
  const floor = Object.hasOwn(seqFloor, key) ? seqFloor[key] : undefined;
  if (floor === undefined || bundle.seq >= floor) return;
  throw new StowageError(
    'release-rollback',
    `${bundle.name} ${bundle.version} is older than trust document ${version} allows`,
    {
      expected: `sequence ${floor} or higher`,
      found: `sequence ${bundle.seq}`,
      hint: 'ask the release engineer for a bundle with a higher sequence',
    },
  );
}

/** @throws StowageError `release-expired` when every counted signature is older than the trust document allows */
export function requireFresh(
  signers: readonly SignerVerdict[],
  { maxAgeDays, version }: Trust,
  now: Date,
): void {
  if (maxAgeDays === undefined) return;
  const times = signers.filter((each) => each.counted).map((each) => each.signingTime.getTime());
  const newest = Math.max(...times);
  if (now.getTime() - newest <= maxAgeDays * DAY_MS) return;
  throw new StowageError(
    'release-expired',
    `the newest signature is older than trust document ${version} allows`,
    {
      expected: `a signature from the last ${maxAgeDays} days`,
      found: new Date(newest).toISOString(),
      hint: "check this host's clock; if it is right, ask a release signer to sign the bundle again",
    },
  );
}

/** The channels whose releases a site accepts: those that it lists, and the one that it follows. */
export function acceptedChannels({
  channels,
  channel,
}: Pick<Site, 'channels' | 'channel'>): string[] {
  return [...new Set([...channels, ...(channel === undefined ? [] : [channel])])];
}

/** The channels that have a bundle: the one for which it was packed, then those to which it was promoted. */
export function channelsOf(
  { channel }: Pick<Bundle, 'channel'>,
  id: string,
  promoted: readonly PromotedBundle[],
): string[] {
  const further = promoted.flatMap((each) => (each.bundle === id ? [each.channel] : []));
  return [...new Set([channel, ...further])];
}

/** @throws StowageError `release-foreign` for a channel or platform that this site does not have */
export function requireSiteMatch(bundle: Bundle, id: string, policy: SitePolicy): void {
  const has = channelsOf(bundle, id, policy.promoted ?? []);
  if (!has.some((each) => policy.channels.includes(each))) {
    throw new StowageError(
      'release-foreign',
      `this site does not accept releases from channel ${bundle.channel}`,
      {
        expected: policy.channels.join(', '),
        found: has.join(', '),
        hint: 'check that this is the right bundle for this site; site.yaml lists its channels; if it was promoted to one of them, import the notice that says so first',
      },
    );
  }
  if (bundle.images.length === 0 || bundle.platforms.includes(policy.platform)) return;
  throw new StowageError('release-foreign', `the bundle has no images for ${policy.platform}`, {
    expected: policy.platform,
    found: bundle.platforms.join(', '),
    hint: 'ask the release engineer to add this platform to the manifest',
  });
}

/**
 * The rollback check of TUF (specification 5.6.3), the check for two bundles with one sequence, and a limit on how far
 * one bundle may raise the sequence: a stolen key must not use up all of them.
 * @throws StowageError `release-rollback`, `release-equivocation`, `release-leap`
 */
export function requireNewer(bundle: Bundle, id: string, state: AdmissionHistory): void {
  const last = state.accepted.find(
    (each) => each.product === bundle.name && each.channel === bundle.channel,
  );
  if (bundle.seq > (last?.seq ?? 0)) {
    requireStep(bundle, last?.seq ?? 0);
    return;
  }
  if (last === undefined) return;
  if (bundle.seq === last.seq && id === last.bundle) return;
  if (bundle.seq === last.seq) {
    throw new StowageError(
      'release-equivocation',
      `two different bundles of ${bundle.name} have sequence ${bundle.seq}`,
      {
        expected: last.bundle,
        found: id,
        hint: 'stop and tell the security officer: the release engineer made at most one of the two',
      },
    );
  }
  throw new StowageError(
    'release-rollback',
    `${bundle.name} ${bundle.version} is older than the last accepted bundle`,
    {
      expected: `sequence ${last.seq} or higher`,
      found: `sequence ${bundle.seq}`,
      hint: `an older bundle is never imported again; if status lists ${bundle.name}@${bundle.version} as imported, stowage install ${bundle.name}@${bundle.version} applies it with the present site.yaml, and stowage rollback returns to an earlier generation with the values of that time`,
    },
  );
}

function requireStep(bundle: Bundle, last: number): void {
  if (bundle.seq - last <= MAX_SEQ_STEP) return;
  throw new StowageError(
    'release-leap',
    `the sequence of ${bundle.name} ${bundle.version} is too far ahead`,
    {
      expected: `a sequence up to ${last + MAX_SEQ_STEP}`,
      found: `sequence ${bundle.seq}`,
      hint: 'ask the release engineer whether this sequence is intended: stowage lock raises it by one',
    },
  );
}

/**
 * Rejects a release that was recalled, by a bundle that the site accepted earlier or by this one.
 * @throws StowageError `release-recalled`
 */
export function requireNotRecalled(bundle: Bundle, recalls: AdmissionHistory['recalls']): void {
  const recall = recallOf(bundle, [...recalls, ...(bundle.recalls ?? [])]);
  if (recall === undefined) return;
  throw new StowageError('release-recalled', `${bundle.name} ${bundle.version} was recalled`, {
    expected: `a version outside ${recall.versions}`,
    found: recall.reason,
    hint: 'ask the release engineer for a version that was not recalled',
  });
}
