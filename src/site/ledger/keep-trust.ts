import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { type Trust, trustBytes } from '../../format/trust.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { Ledger } from './ledger.ts';

/**
 * Pins a trust document that was walked to, or confirmed by a person at a site without one.
 * @returns whether that changed anything
 * @throws StowageError `trust-conflict` when the site has a newer one, or another of the same version
 */
export async function keepTrust(
  site: SiteFolder,
  ledger: Ledger,
  trust: Trust,
  now: Date,
): Promise<boolean> {
  const bytes = trustBytes(trust);
  const pinned = await site.trust();
  if (pinned !== undefined) {
    if (trustBytes(pinned).equals(bytes)) return false;
    if (pinned.version >= trust.version) throw notNewer(pinned, trust);
  }
  // The ledger first: a site that trusts someone and remembers nothing is known for damaged.
  const digest = sriHex(sriOf(bytes));
  const { version, seqFloor } = trust;
  const floors = seqFloor === undefined ? {} : { seqFloor };
  await ledger.append({ kind: 'trusted', version, digest, ...floors }, now);
  await site.pinTrust(trust);
  return true;
}

function notNewer(pinned: Trust, trust: Trust): StowageError {
  const older = trust.version < pinned.version;
  return new StowageError(
    'trust-conflict',
    older
      ? 'an older trust document never replaces a newer one'
      : `another trust document claims version ${trust.version}`,
    {
      expected: `a version after ${pinned.version}`,
      found: `version ${trust.version}`,
      hint: older
        ? 'to return to what an older document said, have the next version say it'
        : 'stop and tell the security officer: one of the two was not made by the authority',
    },
  );
}
