import { basename, dirname, join } from 'node:path';
import { requireSum } from '../../bundle/bundle-files.ts';
import { hopsBeside, readHops, sumOf, writeHops } from '../../bundle/hops.ts';
import { type Context, Tally } from '../../core/context.ts';
import { type Sri, sriFromHex, sriHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../../core/limits.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import { counted } from '../../core/text.ts';
import type { StoredFile } from '../../depot/catalog.ts';
import { allParts, bundleFiles, dataParts, totalSize } from '../../format/bundle.ts';
import { readChecksums } from '../../format/checksums.ts';
import { writeCanonical } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import { type Hop, hopKind } from '../../format/hop.ts';
import { controlSizes, discRuns, writeDiscs } from '../../io/discs/write-discs.ts';
import {
  exists,
  ioError,
  readBounded,
  remove,
  renameIntoPlace,
  syncFolder,
} from '../../io/file.ts';
import { makeFolder, requireSpace, withParents } from '../../io/folder.ts';
import type { HashTask } from '../../io/hash-task.ts';
import { HashPool } from '../../io/hashing.ts';
import { listMedia } from '../../io/media.ts';
import { PassError } from '../../io/positioned.ts';
import { forEachBounded } from '../../io/queue.ts';
import { writeParity } from '../../io/write-parity.ts';
import { signDetached } from '../../trust/cms-sign.ts';
import { siteSigner } from '../receipts/site-key.ts';
import { makeExecutable } from '../release/layout.ts';
import { partsNotHeld, type Release, releaseFolder, signedBundle } from '../release/release.ts';
import { storedFiles } from '../release/stored-files.ts';
import type { SiteFolder } from '../site-folder.ts';
import { hopsFolder } from './kept-hops.ts';

export interface ExportOptions extends Context {
  readonly site: SiteFolder;
  /** The folder that is written; it must not exist. */
  readonly output: string;
  /** Paths of files that need not travel, and to which sites, if these are known; absent for all. */
  readonly leftOut?: { readonly omitted: ReadonlySet<string>; readonly sites?: readonly string[] };
  /** The capacity of the discs to write, in bytes; absent for one folder. */
  readonly discSize?: number;
}

export interface Exported {
  /** Bytes that were written. */
  readonly bytes: number;
  readonly files: number;
  /** Listed files that the site does not have: installers that never reached it. */
  readonly absent: readonly string[];
  readonly hop: Hop;
  /** The folders of its discs; empty for one folder. */
  readonly discs: readonly string[];
  /** The folder of the statements. */
  readonly hops: string;
}

/**
 * Writes an imported bundle again, byte for byte, from the store: `SHA512SUMS`, the first signatures and every file that is
 * listed. Each is hashed while it is copied; recovery parts are calculated again. A statement of this hop, signed with the site's key, is
 * written beside it, after those of earlier hops. With `discSize`, each disc has all control files, as after `split`. A failure leaves
 * nothing.
 * @throws StowageError `output-exists`, `disc-too-small`, `blob-damaged`, `bundle-incomplete`, `space-insufficient`, `io-failed`, `interrupted`
 */
export async function exportBundle(release: Release, options: ExportOptions): Promise<Exported> {
  const { output } = options;
  const hops = hopsBeside(output);
  for (const each of [output, hops]) if (await exists(each)) throw taken(each);
  const temporary = join(dirname(output), `.${basename(output)}.exporting`);
  return withParents(output, async () => {
    try {
      await remove(temporary);
      await makeFolder(temporary);
      const written = await write(release, temporary, options);
      const hop = await writeHop(release, written, { ...options, hops });
      const discs = await place(release, temporary, written.absent, options);
      return { ...written, hop, hops, discs };
    } catch (error) {
      await remove(temporary);
      await remove(hops);
      throw ioError(error, output);
    }
  });
}

type Written = Omit<Exported, 'hop' | 'hops' | 'discs'>;

/** Gives the export its name, or deals it to discs. @returns the folders of the discs */
async function place(
  release: Release,
  folder: string,
  absent: readonly string[],
  { site, output, discSize, leftOut, ...context }: ExportOptions,
): Promise<string[]> {
  if (discSize === undefined) {
    await renameIntoPlace(folder, output);
    return [];
  }
  const files = new Map<string, string>();
  for (const { path, kind } of await listMedia(folder))
    if (kind !== 'folder') files.set(path, join(folder, path));
  const omitted = new Set([...(leftOut?.omitted ?? []), ...absent]);
  const sums = await sumsOf(site, release);
  const bundle = signedBundle(release);
  const source = { bundle, files, sums, move: true, omitted };
  const disc = { discSize, control: await controlSizes(source) };
  const discs = await writeDiscs(source, discRuns(bundle, disc, omitted), output, context);
  await remove(folder);
  return discs;
}

/** @throws StowageError `disc-too-small`, before anything is written */
function requireDiscsFit(
  release: Release,
  files: ReadonlyMap<string, StoredFile>,
  { discSize, leftOut }: ExportOptions,
): void {
  if (discSize === undefined) return;
  const bundle = signedBundle(release);
  const omitted = leftOut?.omitted ?? new Set<string>();
  const parts = new Set(allParts(bundle).map(({ path }) => path));
  const control = [...files].flatMap(([path, { size }]) =>
    parts.has(path) || omitted.has(path) ? [] : [size],
  );
  discRuns(bundle, { discSize, control }, omitted);
}

async function write(release: Release, folder: string, options: ExportOptions): Promise<Written> {
  const { site, leftOut, emit, signal } = options;
  const { id } = release;
  const bundle = signedBundle(release);
  const { files, absent } = await storedFiles(site, release);
  requireDiscsFit(release, files, options);
  const sums = await sumsOf(site, release);
  const omitted = leftOut?.omitted ?? new Set<string>();
  const recovery = new Set(bundle.parity?.rows.flat().map(({ path }) => path));
  const lost = absent.filter((path) => !omitted.has(path) && !recovery.has(path));
  const installers = new Set(bundle.installers?.map(({ path }) => path));
  const needed = lost.filter((path) => !installers.has(path));
  if (needed.length > 0) throw incomplete(release, needed);
  const chosen = [...files].filter(([path]) => !omitted.has(path));
  const total = totalSize(chosen.map(([, file]) => file));
  await requireSpace(folder, total);
  emit({ type: 'step', step: 'export', subject: counted(chosen.length, 'file') });
  const tally = new Tally(emit, 'export', total);
  const pool = new HashPool(signal);
  try {
    const folders = new Set(chosen.map(([path]) => dirname(path)));
    for (const each of folders) await makeFolder(join(folder, each));
    await forEachBounded(chosen, pool.width, async ([path, file]) => {
      const expected = path === 'SHA512SUMS' ? sriFromHex(id) : sums.get(path);
      await copy(file, { to: join(folder, path), path, expected, pool, onBytes: tally.add });
      if (installers.has(path)) await makeExecutable(join(folder, path));
    });
    for (const each of folders) await syncFolder(join(folder, each));
    if ([...recovery].some((path) => !omitted.has(path)))
      await addRecovery(release, { folder, site, pool, omitted });
  } finally {
    await pool.close();
  }
  const listed = bundleFiles(bundle).filter(
    ({ path }) => !omitted.has(path) && !lost.includes(path),
  );
  return { bytes: totalSize(listed), files: listed.length, absent: lost };
}

/** The signed sums of all files but signatures. @throws StowageError `state-damaged`, `part-damaged` */
async function sumsOf(site: SiteFolder, { id }: Release): Promise<Map<string, Sri>> {
  const folder = releaseFolder(site, id);
  const bytes = await readBounded(join(folder, 'SHA512SUMS'), MAX_CHECKSUMS_BYTES);
  const checksums = readChecksums(bytes);
  requireSum(
    checksums,
    'bundle.json',
    await readBounded(join(folder, 'bundle.json'), MAX_INDEX_BYTES),
  );
  return new Map(checksums.map(({ path, sha512 }) => [path, sha512]));
}

interface Copy {
  readonly to: string;
  readonly path: string;
  /** Absent for a signature. */
  readonly expected: Sri | undefined;
  readonly pool: HashPool;
  readonly onBytes: (bytes: number) => void;
}

async function copy({ size, source }: StoredFile, target: Copy): Promise<void> {
  const { to, path, expected, pool, onBytes } = target;
  const task: HashTask = {
    ...{ path: source.path, size: source.size, offset: source.offset, hashes: ['sha512'] },
    pieces: [{ length: size, destination: { path: to, offset: 0, create: true } }],
  };
  let found: Sri | undefined;
  try {
    found = (await pool.run(task, onBytes)).pieces[0]?.sha512;
  } catch (error) {
    if (!(error instanceof PassError) || error.path !== source.path)
      throw error instanceof PassError ? ioError(error, error.path) : error;
    throw damaged(path, source.path, expected, error.message);
  }
  if (expected !== undefined && found !== expected)
    throw damaged(path, source.path, expected, found === undefined ? '' : sriHex(found));
}

/** Calculates the recovery parts from the store. They must be those that were signed. */
async function addRecovery(
  release: Release,
  {
    folder,
    site,
    pool,
    omitted,
  }: { folder: string; site: SiteFolder; pool: HashPool; omitted: ReadonlySet<string> },
): Promise<void> {
  const bundle = signedBundle(release);
  const { parity } = bundle;
  if (parity === undefined) return;
  const elsewhere = new Map(
    bundle.blobs.flatMap(({ digest, parts }) =>
      parts.map(({ path, offset }) => [path, { path: site.store.path(digest), offset }] as const),
    ),
  );
  const shape = { ...parity, rows: parity.rows.length };
  const target = { folder, elsewhere, pool, onBytes: (): void => {} };
  const made = (await writeParity(dataParts(bundle), shape, target)).rows.flat();
  for (const [index, part] of parity.rows.flat().entries()) {
    if (omitted.has(part.path)) await remove(join(folder, part.path));
    else if (made[index]?.sha512 !== part.sha512)
      throw damaged(part.path, 'the store', part.sha512, 'other recovery parts');
  }
}

async function writeHop(
  release: Release,
  { files, bytes }: Written,
  { site, leftOut, hops, now }: ExportOptions & { readonly hops: string },
): Promise<Hop> {
  const { id } = release;
  const signed = signedBundle(release);
  const { name, version, seq } = signed;
  const earlier = (await readHops(hopsFolder(site, id), id)).hops;
  const last = earlier.at(-1);
  const { name: siteName } = await site.site();
  const at = now();
  const hop: Hop = {
    schema: 'stowage/hop/v1',
    site: siteName,
    at: momentOf(at),
    tool: `${PRODUCT} ${PRODUCT_VERSION}`,
    bundle: { name, version, seq, id },
    ...{ files, bytes, omitted: bundleFiles(signed).length - files },
    ...(leftOut?.sites === undefined ? {} : { for: leftOut.sites }),
    ...(last === undefined ? {} : { previous: sumOf(last) }),
  };
  const document = writeCanonical(hopKind, hop);
  const signature = signDetached(document, await siteSigner(site, siteName, at), at);
  await writeHops(hops, [...earlier, { bytes: document, signature }]);
  return hop;
}

function taken(path: string): StowageError {
  return new StowageError('output-exists', `${path} already exists`, {
    expected: 'a path that does not exist',
    found: 'a file or folder',
    hint: 'choose another --to, or move the old export away',
  });
}

function incomplete(release: Release, missing: readonly string[]): StowageError {
  const { name, version } = release.bundle;
  const left = partsNotHeld(release);
  const options = left.map((each) => `--without ${each}`).join(' ');
  return new StowageError('bundle-incomplete', `${name} ${version} is not complete at this site`, {
    expected: 'every part of the release in the store',
    found: `${counted(missing.length, 'file')} missing`,
    hint:
      left.length === 0
        ? 'run stowage store verify --repair MEDIUM with the media of the release, then the same command again'
        : `this site does without ${left.join(', ')}: export the rest with ${options}, or import the bundle with --only all first`,
    defects: missing.slice(0, 20).map((path) => `missing: ${path}`),
  });
}

function damaged(path: string, place: string, expected?: Sri, found?: string): StowageError {
  return new StowageError('blob-damaged', `${path} cannot be exported: ${place} is damaged`, {
    expected: expected === undefined ? 'a readable file' : sriHex(expected),
    found: found ?? '',
    hint: 'run stowage store verify --repair MEDIUM with the media of the release, then the same command again',
  });
}
