import { StowageError } from '../../core/error.ts';
import { MAX_SEQ_STEP } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Recall } from '../../format/deployment.ts';
import type { Trust } from '../../format/trust.ts';
import type { SignerVerdict } from '../../trust/policy.ts';
import { recallOf } from './recall.ts';

/** The newest bundle of a product and channel that a site accepted. */
export interface Acceptance {
  readonly product: string;
  readonly channel: string;
  /** The highest sequence accepted. */
  readonly seq: number;
  /** The bundle accepted at it, by its digest. */
  readonly bundle: string;
}

/** What a site remembers of the bundles it imported, so that no older and no recalled one is accepted again. */
export interface AdmissionHistory {
  readonly accepted: readonly Acceptance[];
  /** The newest signed time seen; the clock cannot be before it. */
  readonly floor: string;
  readonly recalls: readonly Recall[];
}

/** What a site asks of a bundle besides genuine signatures. */
export interface SitePolicy {
  readonly channels: readonly string[];
  /** This host's platform, such as `linux/amd64`. */
  readonly platform: string;
  readonly state: AdmissionHistory;
  /** Whether the role `approval` must have signed too. */
  readonly requireApproval?: boolean;
  /** Why a bundle may enter whose age alone is against it. */
  readonly acceptAge?: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** @throws StowageError `release-foreign` for a channel that the trust document does not allow */
export function requireTrustedChannel(bundle: Bundle, { channels, version }: Trust): void {
  if (channels === undefined || channels.includes(bundle.channel)) return;
  throw new StowageError(
    'release-foreign',
    `trust document ${version} does not let channel ${bundle.channel} in`,
    {
      expected: channels.join(', '),
      found: bundle.channel,
      hint: 'check that this is the right bundle for this site; only the next trust document can add a channel',
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
    `${bundle.name} ${bundle.version} is older than trust document ${version} lets in`,
    {
      expected: `number ${floor} or higher`,
      found: `number ${bundle.seq}`,
      hint: 'ask the release engineer for a bundle with a higher number',
    },
  );
}

/** @throws StowageError `release-expired` when no signature that counts is young enough for the trust document */
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
    `the newest signature is older than trust document ${version} lets in`,
    {
      expected: `one of the last ${maxAgeDays} days`,
      found: new Date(newest).toISOString(),
      hint: "check this host's clock; if it is right, have the bundle signed again by a release signer",
    },
  );
}

/** @throws StowageError `release-foreign` for a channel or a platform that is not this site's */
export function requireWelcome(bundle: Bundle, policy: SitePolicy): void {
  if (!policy.channels.includes(bundle.channel)) {
    throw new StowageError(
      'release-foreign',
      `this site does not take releases of channel ${bundle.channel}`,
      {
        expected: policy.channels.join(', '),
        found: bundle.channel,
        hint: 'check that this is the right bundle for this site; site.yaml names its channels',
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
 * The rollback check of TUF (specification 5.6.3), the alarm for two bundles under one number, and a ceiling on how
 * far one bundle may run ahead: a stolen key must not use up all the numbers there are.
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
      `two different bundles claim number ${bundle.seq} of ${bundle.name}`,
      {
        expected: last.bundle,
        found: id,
        hint: 'stop and tell the security officer: one of the two was not made by the release engineer',
      },
    );
  }
  throw new StowageError(
    'release-rollback',
    `${bundle.name} ${bundle.version} is older than what this site accepted`,
    {
      expected: `number ${last.seq} or higher`,
      found: `number ${bundle.seq}`,
      hint: 'to return to an earlier generation use stowage rollback; an older bundle is never taken in again',
    },
  );
}

function requireStep(bundle: Bundle, last: number): void {
  if (bundle.seq - last <= MAX_SEQ_STEP) return;
  throw new StowageError('release-leap', `${bundle.name} ${bundle.version} runs too far ahead`, {
    expected: `a number up to ${last + MAX_SEQ_STEP}`,
    found: `number ${bundle.seq}`,
    hint: 'ask the release engineer whether this number is meant: stowage lock counts by one',
  });
}

/**
 * Refuses a release that was recalled, by the site's memory or by the bundle itself.
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
