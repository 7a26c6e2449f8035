import { readSignatures, requireSum } from '../bundle/bundle-files.ts';
import { findDiscs } from '../bundle/discs.ts';
import { readIndex } from '../bundle/read-index.ts';
import { bundleKind } from '../format/bundle.ts';
import { readBounded } from '../io/file.ts';
import { type ChangeOptions, changeFleet } from './change.ts';
import type { FleetFolder } from './fleet-folder.ts';
import { judgeFact } from './judged.ts';
import { releaseFolder } from './release-folder.ts';

export interface AddedRelease {
  readonly name: string;
  readonly version: string;
  readonly bundle: string;
  /** False if the fleet knew it already. */
  readonly added: boolean;
}

/**
 * Records the signed lists of a bundle: `SHA512SUMS`, `bundle.json` and the signatures. Its parts are not read.
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
  const { name, version } = bundle;
  return changeFleet(folder, options, async (fleet) => {
    const now = options.now();
    judgeFact(await folder.trust(now), 'release', { content: list, signatures }, now);
    const sql = 'SELECT 1 FROM release WHERE bundle = ?';
    if (fleet.database.first(sql, id) !== undefined)
      return { name, version, bundle: id, added: false };
    const recorded = true as const;
    const target = releaseFolder(id);
    await fleet.add({
      ...{ action: 'release', subject: `${name} ${version}` },
      files: [
        { path: `${target}/SHA512SUMS`, bytes: list, recorded },
        { path: `${target}/bundle.json`, bytes: index, recorded },
        ...signatures.map((each) => ({
          ...{ path: `${target}/signatures/${each.name}`, bytes: each.bytes, recorded },
        })),
      ],
    });
    return { name, version, bundle: id, added: true };
  });
}
