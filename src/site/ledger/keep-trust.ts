import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { type Trust, trustBytes } from '../../format/trust.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { Ledger } from './ledger.ts';

/**
 * Pins a trust document that was verified, or that a person confirmed at a new site.
 * @returns whether it was not pinned yet
 * @throws StowageError `trust-conflict` when the site has a newer one, or a different one of the same version
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
  // The ledger first: a site with a trust document and an empty ledger counts as damaged.
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
      ? 'an older trust document cannot replace a newer one'
      : `a different trust document has version ${trust.version}`,
    {
      expected: `a version after ${pinned.version}`,
      found: `version ${trust.version}`,
      hint: older
        ? 'to restore earlier rules, issue a new version that contains them'
        : 'stop and tell the security officer: one of the two was not issued by the authority',
    },
  );
}
