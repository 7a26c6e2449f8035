import { writeCanonical } from '../format/document.ts';
import { momentOf } from '../format/field.ts';
import { type FleetSite, fleetSiteKind } from '../format/fleet.ts';
import type { Trust } from '../format/trust.ts';
import { type Signer, signDetached } from '../trust/cms-sign.ts';
import { requireCounted } from '../trust/policy.ts';
import type { ChangingFleet } from './change.ts';
import type { NewFile } from './record.ts';

/** Who signs a document of the fleet, and the name of the signature. */
export interface FactSigner {
  readonly signer: Signer;
  readonly name: string;
}

/** The fields of a site that a person decides. */
export type SiteFields = Omit<FleetSite, 'schema' | 'number' | 'at'>;

/**
 * Records a new site, or a changed one.
 * @param number 1 for a new one
 * @returns the recorded document
 * @throws StowageError `output-exists`, those of {@link requireCounted}
 */
export async function recordSite(
  fleet: ChangingFleet,
  fields: SiteFields,
  options: { readonly number: number; readonly by: FactSigner; readonly now: Date },
): Promise<FleetSite> {
  const { number, by, now } = options;
  const site: FleetSite = {
    schema: 'stowage/fleet-site/v1',
    ...fields,
    number,
    at: momentOf(now),
  };
  const path = `sites/${site.name}/${number}.json`;
  const bytes = writeCanonical(fleetSiteKind, site);
  const trust = await fleet.folder.trust(now);
  await fleet.add({
    ...{ action: 'site', subject: site.name },
    files: signedFact({ path, bytes, by, now, trust }),
  });
  return site;
}

export interface UnsignedFact {
  readonly path: string;
  readonly bytes: Buffer;
  readonly by: FactSigner;
  readonly now: Date;
  /** Oldest first. */
  readonly trust: readonly [Trust, ...Trust[]];
}

/**
 * A document of the fleet and its first signature, which must count.
 * @throws StowageError as {@link requireCounted}
 */
export function signedFact({ path, bytes, by, now, trust }: UnsignedFact): NewFile[] {
  const newest = trust.at(-1) ?? trust[0];
  const signature = { name: `${by.name}.p7s`, bytes: signDetached(bytes, by.signer, now) };
  requireCounted(
    signature,
    { content: bytes, signatures: [] },
    { trust: newest, role: 'release', now },
  );
  return [
    { path, bytes, recorded: true },
    { path: `${path}.${signature.name}`, bytes: signature.bytes, recorded: true },
  ];
}
