import { readListed, readSignatures, requireSum } from '../bundle/bundle-files.ts';
import { findDiscs } from '../bundle/discs.ts';
import { readIndex } from '../bundle/read-index.ts';
import { MAX_CONTROL_FILE_BYTES } from '../core/limits.ts';
import { bundleKind } from '../format/bundle.ts';
import type { Checksum } from '../format/checksums.ts';
import { writeCanonical } from '../format/document.ts';
import { momentOf } from '../format/field.ts';
import { type FleetSite, fleetSiteKind } from '../format/fleet.ts';
import { rehearsalPaths } from '../format/rehearsal.ts';
import type { Trust } from '../format/trust.ts';
import { readBounded } from '../io/file.ts';
import { type Signer, signDetached } from '../trust/cms-sign.ts';
import { requireCounted } from '../trust/policy.ts';
import { type TrustLink, walkTrust } from '../trust/trust-chain.ts';
import { type ChangeOptions, type ChangingFleet, changeFleet } from './change.ts';
import {
  type FleetFolder,
  releaseBill,
  releaseFolder,
  releaseRehearsal,
  trustPath,
} from './fleet-folder.ts';
import { recordedFile } from './index/database.ts';
import { judgeFact } from './judged.ts';
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

export interface TrustChange {
  readonly from: number;
  readonly version: number;
}

/**
 * Records newer trust documents of a fleet, each verified by the one before it.
 * @param chain reads the documents above a version, in ascending order
 * @throws StowageError `trust-conflict`, and those of signatures
 */
export async function recordTrust(
  folder: FleetFolder,
  chain: (above: number) => Promise<TrustLink[]>,
  options: ChangeOptions,
): Promise<TrustChange> {
  return changeFleet(folder, options, async (fleet) => {
    const now = options.now();
    const documents = await folder.trust(now);
    const pinned = documents.at(-1) ?? documents[0];
    const links = await chain(pinned.version);
    const { version } = walkTrust(pinned, links, now);
    if (version > pinned.version)
      await fleet.add({
        ...{ action: 'trust', subject: `trust document ${version}` },
        files: links.flatMap((link) => [
          { path: trustPath(link.version), bytes: link.bytes, recorded: true as const },
          ...link.signatures.map(({ name, bytes }) => ({
            ...{ path: `trust/${name}`, bytes },
            recorded: true as const,
          })),
        ]),
      });
    return { from: pinned.version, version };
  });
}

export interface AddedRelease {
  readonly name: string;
  readonly version: string;
  readonly bundle: string;
  /** False if the fleet knew it already. */
  readonly added: boolean;
}

const BILL = 'attestations/sbom.cdx.json';

/** The SBOM and the rehearsal of a bundle, as its list has them, by their paths in the fleet; without those that it does not have. */
async function evidenceIn(
  disc: string,
  { id, checksums }: { readonly id: string; readonly checksums: readonly Checksum[] },
): Promise<NewFile[]> {
  const places = [
    [BILL, releaseBill(id)],
    ...Object.values(rehearsalPaths).map((path) => [path, releaseRehearsal(id, path)] as const),
  ] as const;
  const files: NewFile[] = [];
  for (const [path, target] of places) {
    if (!checksums.some((each) => each.path === path)) continue;
    const bytes = await readListed(disc, path, MAX_CONTROL_FILE_BYTES, 'part-missing');
    requireSum(checksums, path, bytes);
    files.push({ path: target, bytes, recorded: true });
  }
  return files;
}

/**
 * Records the signed lists of a bundle: `SHA512SUMS`, `bundle.json`, the SBOM, the rehearsal and the signatures. Its parts are not read.
 * @param place the folder of the bundle, or one with its discs
 * @throws StowageError `bundle-absent`, those of signatures, `index-malformed`, `part-damaged`
 */
export async function addRelease(
  folder: FleetFolder,
  place: string,
  options: ChangeOptions,
): Promise<AddedRelease> {
  const [disc = place] = await findDiscs([place]);
  const { id, bundle, list, checksums } = await readIndex(disc);
  const signatures = await readSignatures(disc);
  const index = await readBounded(`${disc}/bundle.json`, bundleKind.maxBytes);
  requireSum(checksums, 'bundle.json', index);
  const evidence = await evidenceIn(disc, { id, checksums });
  const { name, version } = bundle;
  return changeFleet(folder, options, async (fleet) => {
    const now = options.now();
    judgeFact(await folder.trust(now), 'release', { content: list, signatures }, now);
    const recorded = true as const;
    const target = releaseFolder(id);
    const sql = 'SELECT 1 FROM release WHERE bundle = ?';
    if (fleet.database.first(sql, id) !== undefined) {
      const lacking = evidence.filter(
        ({ path }) => recordedFile(fleet.database, path) === undefined,
      );
      if (lacking.length > 0)
        await fleet.add({ action: 'release', subject: `${name} ${version}`, files: lacking });
      return { name, version, bundle: id, added: false };
    }
    await fleet.add({
      ...{ action: 'release', subject: `${name} ${version}` },
      files: [
        { path: `${target}/SHA512SUMS`, bytes: list, recorded },
        { path: `${target}/bundle.json`, bytes: index, recorded },
        ...evidence,
        ...signatures.map((each) => ({
          ...{ path: `${target}/signatures/${each.name}`, bytes: each.bytes, recorded },
        })),
      ],
    });
    return { name, version, bundle: id, added: true };
  });
}
