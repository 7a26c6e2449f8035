import type { DeployedRelease } from '../format/plan.ts';
import type { KeptAdvisory } from './notices.ts';

/** Whether a running release was scanned for vulnerabilities, as far as the site was told. */
export interface ReleaseScan {
  readonly release: string;
  readonly version: string;
  /** SHA-512 of the bundle's `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  /** The newest advisory in which a scanner reports on this bundle; absent if none was imported. */
  readonly scan?: KeptAdvisory;
}

/** The newest scan of each release. A scan of another bundle with the same version does not count. */
export function scansOf(
  releases: readonly DeployedRelease[],
  advisories: readonly KeptAdvisory[],
): ReleaseScan[] {
  const scans = new Map(
    advisories.flatMap((each) =>
      each.bundle === undefined || each.scanner === undefined ? [] : [[each.bundle, each]],
    ),
  );
  return releases.map(({ name, version, bundle }) => {
    const scan = scans.get(bundle);
    return { release: name, version, bundle, ...(scan === undefined ? {} : { scan }) };
  });
}
