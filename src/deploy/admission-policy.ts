import { StowageError } from '../core/error.ts';
import type { Bundle } from '../format/bundle.ts';
import type { SiteState } from '../format/site-state.ts';

/** What a site asks of a bundle besides genuine signatures. */
export interface Gatekeeper {
  readonly channels: readonly string[];
  /** This host's platform, such as `linux/amd64`. */
  readonly platform: string;
  readonly state: SiteState;
}

/** @throws StowageError `release-foreign` for a channel or a platform that is not this site's */
export function requireWelcome(bundle: Bundle, gatekeeper: Gatekeeper): void {
  if (!gatekeeper.channels.includes(bundle.channel)) {
    throw new StowageError(
      'release-foreign',
      `this site does not take releases of channel ${bundle.channel}`,
      {
        expected: gatekeeper.channels.join(', '),
        found: bundle.channel,
        hint: 'check that this is the right bundle for this site; site.yaml names its channels',
      },
    );
  }
  if (bundle.images.length === 0 || bundle.platforms.includes(gatekeeper.platform)) return;
  throw new StowageError('release-foreign', `the bundle has no images for ${gatekeeper.platform}`, {
    expected: gatekeeper.platform,
    found: bundle.platforms.join(', '),
    hint: 'ask the release engineer to add this platform to the manifest',
  });
}

/**
 * The rollback check of TUF (specification 5.6.3), and the alarm for two bundles under one number.
 * @throws StowageError `release-rollback`, `release-equivocation`
 */
export function requireNewer(bundle: Bundle, id: string, state: SiteState): void {
  const last = state.accepted.find(
    (each) => each.product === bundle.name && each.channel === bundle.channel,
  );
  if (last === undefined || bundle.seq > last.seq) return;
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
