import { type TrustLink, walkTrust } from '../trust/trust-chain.ts';
import { type ChangeOptions, changeFleet } from './change.ts';
import { type FleetFolder, trustPath } from './fleet-folder.ts';

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
