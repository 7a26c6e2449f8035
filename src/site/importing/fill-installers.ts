import { join } from 'node:path';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { installerParts } from '../../bundle/installers.ts';
import type { Part } from '../../format/part.ts';
import { exists, remove, statusOf } from '../../io/file.ts';
import type { HashTask } from '../../io/hash-task.ts';
import type { HashPool } from '../../io/hashing.ts';
import { PassError } from '../../io/positioned.ts';
import { listReleases, releaseFolder } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { ImportMedium } from './import-medium.ts';
import type { Staging } from './staging.ts';

interface FillContext {
  readonly admitted: AdmittedBundle;
  readonly medium: ImportMedium;
  readonly site: SiteFolder;
  readonly staging: Staging;
}

/**
 * Takes missing installers from what the site has: those of this or an earlier release, if they are byte for byte the same.
 * Nothing is missing without those that the media lack and that are for other platforms, which a site only passes on.
 * @param isWanted which parts to look for
 * @returns the parts that were copied
 * @throws StowageError `io-failed`, `space-insufficient`, `interrupted`
 */
export async function fillInstallers(
  { admitted, medium, site, staging }: FillContext,
  pool: HashPool,
  isWanted: (part: Part) => boolean,
): Promise<ReadonlySet<Part>> {
  const filled = new Set<Part>();
  for (const part of installerParts(admitted.bundle)) {
    if (staging.has(part) || !isWanted(part)) continue;
    const copied = await copyStored(part, { site, staging, pool });
    if (copied) filled.add(part);
    // What a failed copy left would end in the release.
    else await remove(staging.place(part).path);
    const dispensable = staging.isOptional(part) && medium.lacks(part, admitted);
    if (copied || dispensable) await staging.keep(part);
  }
  return filled;
}

/** Counts installers as missing that earlier media lacked, and that these media may have. */
export async function expectInstallers({
  admitted,
  medium,
  staging,
}: Omit<FillContext, 'site'>): Promise<void> {
  const passedOver: Part[] = [];
  for (const part of installerParts(admitted.bundle)) {
    if (!staging.has(part) || !staging.isOptional(part) || medium.lacks(part, admitted)) continue;
    if (!(await exists(staging.place(part).path))) passedOver.push(part);
  }
  await staging.drop(passedOver);
}

/** The installers that are in the staging folder: this host's, and those for other platforms that it can pass on. */
export async function stagedInstallers({ bundle, folder }: Staging): Promise<string[]> {
  const paths = installerParts(bundle).map(({ path }) => join(folder, path));
  const there: string[] = [];
  for (const path of paths) if (await exists(path)) there.push(path);
  return there;
}

/** @returns whether an installer at the site has the bytes of this part, and was copied */
async function copyStored(
  part: Part,
  { site, staging, pool }: { site: SiteFolder; staging: Staging; pool: HashPool },
): Promise<boolean> {
  for (const path of await placesOf(part, site)) {
    if (Number((await statusOf(path))?.size) !== part.size) continue;
    const destination = { ...staging.place(part), create: 'anew' as const };
    const pieces = [{ length: part.size, destination }];
    const task: HashTask = { path, size: part.size, offset: 0, pieces, hashes: ['sha512'] };
    try {
      if ((await pool.run(task)).pieces[0]?.sha512 === part.sha512) return true;
    } catch (error) {
      // One that cannot be read is like one that is not there; the copy must be writable.
      if (!(error instanceof PassError) || error.path !== path) throw error;
    }
  }
  return false;
}

async function placesOf({ path, sha512 }: Part, site: SiteFolder): Promise<string[]> {
  const { releases } = await listReleases(site);
  const same = releases.filter(({ bundle }) =>
    bundle.installers?.some((each) => each.sha512 === sha512),
  );
  return [
    ...same.toReversed().map(({ id }) => join(releaseFolder(site, id), path)),
    site.path('bin', 'stowage'),
  ];
}
