import { join } from 'node:path';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { discNumber } from '../../bundle/discs.ts';
import { contentOf, type PartFault } from '../../bundle/part-check.ts';
import { readStoredBundle } from '../../bundle/read-index.ts';
import { partsOfWeights } from '../../content/increment.ts';
import type { Sri } from '../../core/digest.ts';
import { MAX_INDEX_BYTES, MIB } from '../../core/limits.ts';
import { counted, formatBytes } from '../../core/text.ts';
import { allParts, type Bundle } from '../../format/bundle.ts';
import { type Part, parseDiscName } from '../../format/part.ts';
import type { NeededPart, RepairList } from '../../format/repair-list.ts';
import { appendLine, namesIn, readIfThere, writeAtomic } from '../../io/file.ts';
import { occupiedBytes } from '../../io/folder.ts';
import { listReleases } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import { type DiscSummary, inferMissingDiscs, type SeenDisc } from './missing-discs.ts';
import { redundantStagings } from './redundant-staging.ts';
import { Staging, stagingFolder } from './staging.ts';

type Damage = Readonly<Record<string, NeededPart['damaged']>>;

/** A bundle that is at the site in part. */
export interface PartialImport {
  readonly id: string;
  readonly bundle: Bundle;
  readonly missing: readonly Part[];
  readonly discs: DiscSummary;
}

/** Records which discs were given, to name the missing ones; one line each: name, first and last part. */
export async function recordDiscs(
  folder: string,
  { bundle, discs }: Pick<AdmittedBundle, 'bundle' | 'discs'>,
): Promise<void> {
  const parts = allParts(bundle);
  const known = new Set(await readSeen(folder));
  for (const disc of discs) {
    const number = discNumber(disc.folder);
    if (number === undefined) continue;
    const first = parts.findIndex((part) => disc.files.has(part.path));
    const last = parts.findLastIndex((part) => disc.files.has(part.path));
    const line = `disc-${number.number}-of-${number.of} ${first} ${last}`;
    if (!known.has(line)) await appendLine(join(folder, 'discs'), line);
  }
}

/** Every partly imported bundle, by id, but for {@link redundantStagings}. Changes nothing. */
export async function partialImports(site: SiteFolder): Promise<PartialImport[]> {
  const found: PartialImport[] = [];
  const redundant = await redundantStagings(site);
  for (const id of await stagedIds(site)) {
    if (redundant.has(id)) continue;
    const bundle = await readStoredBundle(join(stagingFolder(site, id), 'control'), id);
    if (bundle === undefined) continue;
    found.push(await partialImportOf(site, id, bundle));
  }
  return found;
}

/**
 * The folders of unfinished imports, including those whose bundle cannot be identified. For the holder of the site's lock,
 * who has removed {@link redundantStagings}.
 */
export async function unfinishedImports(
  site: SiteFolder,
): Promise<{ readonly name: string; readonly folder: string; readonly size: number }[]> {
  const found = [];
  for (const id of await namesIn(site.path('staging'))) {
    const bundle = await readStoredBundle(join(stagingFolder(site, id), 'control'), id).catch(
      () => undefined,
    );
    const name = bundle === undefined ? id.slice(0, 16) : `${bundle.name} ${bundle.version}`;
    const folder = site.path('staging', id);
    found.push({ name, folder, size: await occupiedBytes(folder) });
  }
  return found;
}

/** What one bundle lacks at the site. */
export async function partialImportOf(
  site: SiteFolder,
  id: string,
  bundle: Bundle,
): Promise<PartialImport> {
  const missing = new Set((await Staging.open(site, id, bundle)).missing());
  const places = allParts(bundle).flatMap((part, index) => (missing.has(part) ? [index] : []));
  const discs = (await readSeen(stagingFolder(site, id))).flatMap(parseSeen);
  return { id, bundle, missing: [...missing], discs: inferMissingDiscs(discs, places) };
}

/** The missing discs and parts as text: `discs 2 and 4 of 5, 12 parts, 40.0 KiB`. */
export function missingInWords({ missing, discs, bundle }: Omit<PartialImport, 'id'>): string {
  const bytes = missing.reduce((sum, part) => sum + part.size, 0);
  const [only] = missing;
  const parts =
    missing.length === 1 && only !== undefined
      ? `1 part, ${formatBytes(bytes)} (${contentOf(bundle, only)})`
      : `${counted(missing.length, 'part')}, ${formatBytes(bytes)}`;
  const { of, missing: numbers } = discs;
  if (of === undefined || numbers.length === 0) return parts;
  return `disc${numbers.length === 1 ? '' : 's'} ${numbers.join(', ')} of ${of}: ${parts}`;
}

/** The most releases that are named for one part. */
const MAX_HOLDERS = 8;

/**
 * The releases at this site that contain a missing part too, in the same file or, for models, in another: their copy of it is
 * missing or damaged.
 * @returns `name version` of each, the newest last, by the path of the part; nothing for a part of no release
 */
export async function holdersOfParts(
  site: SiteFolder,
  { id, bundle, missing }: PartialImport,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const paths = new Set(missing.map(({ path }) => path));
  const blobOf = new Map(
    bundle.blobs.flatMap(({ digest, parts }) => parts.map(({ path }) => [path, digest] as const)),
  );
  const wanted = new Set(
    [...partsOfWeights(bundle)].flatMap(([{ path, sha512 }]) => (paths.has(path) ? [sha512] : [])),
  );
  const holders = new Map<string, string[]>();
  for (const each of (await listReleases(site)).releases) {
    if (each.id === id) continue;
    const name = `${each.bundle.name} ${each.bundle.version}`;
    const blobs = new Set(each.bundle.blobs.map(({ digest }) => digest));
    const sums = new Set<Sri>();
    for (const [{ sha512 }] of partsOfWeights(each.bundle))
      if (wanted.has(sha512)) sums.add(sha512);
    for (const { path, sha512 } of missing) {
      const digest = blobOf.get(path);
      if (!(digest !== undefined && blobs.has(digest)) && !sums.has(sha512)) continue;
      holders.set(path, [...(holders.get(path) ?? []), name].slice(-MAX_HOLDERS));
    }
  }
  return holders;
}

/** The releases of {@link holdersOfParts}, once each. */
export async function holdersOfMissing(
  site: SiteFolder,
  partial: PartialImport,
): Promise<string[]> {
  return [...new Set([...(await holdersOfParts(site, partial)).values()].flat())];
}

async function stagedIds(site: SiteFolder): Promise<string[]> {
  const names = await namesIn(site.path('staging'));
  return names.filter((name) => /^[0-9a-f]{128}$/.test(name));
}

async function readSeen(folder: string): Promise<string[]> {
  const text = (await readIfThere(join(folder, 'discs'), MIB))?.toString('latin1') ?? '';
  return text.split('\n').filter((line) => line !== '');
}

// A line cut short by a power failure is ignored.
function parseSeen(line: string): SeenDisc[] {
  const match = /^(\S+) (-1|[0-9]{1,7}) (-1|[0-9]{1,7})$/.exec(line);
  const number = parseDiscName(match?.[1] ?? '');
  if (match === null || number === undefined) return [];
  const [first, last] = [Number(match[2]), Number(match[3])];
  return [first < 0 ? number : { ...number, first, last }];
}

/** Records where parts were damaged, for the repair list. */
export async function recordDamage(folder: string, faults: readonly PartFault[]): Promise<void> {
  if (faults.length === 0) return;
  const damage = { ...(await readDamage(folder)) };
  for (const { part, ranges } of faults) damage[part.path] = ranges;
  await writeAtomic(join(folder, 'damage.json'), Buffer.from(JSON.stringify(damage)));
}

/** What a site lacks of a bundle, for the side that has the bundle complete, and which releases had it here. */
export async function repairListOf(site: SiteFolder, partial: PartialImport): Promise<RepairList> {
  const { id, bundle, missing } = partial;
  const damage = await readDamage(stagingFolder(site, id));
  const holders = await holdersOfParts(site, partial);
  return {
    schema: 'stowage/repair-list/v1',
    name: bundle.name,
    version: bundle.version,
    bundle: id,
    partSize: bundle.partSize,
    parts: missing.map(({ path, size, sha512 }) => {
      const alsoIn = holders.get(path);
      return {
        ...{ path, size, sha512 },
        damaged: [...(damage[path] ?? [])],
        ...(alsoIn === undefined ? {} : { alsoIn }),
      };
    }),
  };
}

// Only a note on where parts were damaged: one that cannot be parsed is ignored.
async function readDamage(folder: string): Promise<Damage> {
  try {
    const bytes = await readIfThere(join(folder, 'damage.json'), MAX_INDEX_BYTES);
    return JSON.parse(bytes?.toString('utf8') ?? '{}') as Damage;
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
