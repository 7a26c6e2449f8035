import { basename, dirname, join, resolve as resolvePath } from 'node:path';
import type { SizedBlob } from '../content/content-kind.ts';
import { type Common, incrementOf, weightsOf } from '../content/increment.ts';
import { bundleBlobs, describeAll } from '../content/items.ts';
import { type Context, Tally } from '../core/context.ts';
import { type Digest, sriHex, sriOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { counted } from '../core/text.ts';
import {
  type Bundle,
  type BundleBlob,
  bundleBytes,
  bundleFiles,
  bundleKind,
  bundleSchema,
  dataParts,
} from '../format/bundle.ts';
import { writeChecksums } from '../format/checksums.ts';
import { writeCanonical } from '../format/document.ts';
import type { DescribedInstaller } from '../format/installer.ts';
import type { Lock } from '../format/lock.ts';
import { type Parity, stripeOf } from '../format/part.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { columnsOfDiscs } from '../io/discs/disc-split.ts';
import { controlSizes, discRuns, writeDiscs } from '../io/discs/write-discs.ts';
import { exists, ioError, remove, renameIntoPlace, syncFolder, writeNew } from '../io/file.ts';
import { makeFolder, makeNewFolder, requireSpace, withParents } from '../io/folder.ts';
import type { PieceSums } from '../io/hash-task.ts';
import { HashPool } from '../io/hashing.ts';
import { forEachBounded } from '../io/queue.ts';
import { writeParity } from '../io/write-parity.ts';
import { controlDocuments, indexOf } from './bundle-documents.ts';
import { hopEvidence } from './hop-evidence.ts';
import { type BuiltInstaller, copyInstallers } from './installers.ts';
import { leftBehind } from './left-out-parts.ts';
import { evenColumns, recoveryBytes } from './parity.ts';
import { type WrittenShape, writtenBytes } from './part-sums.ts';
import { copyParts, makePartFolder, type OmittedParts, partSums, syncSmallParts } from './parts.ts';
import { readFacts } from './sbom/image-packages.ts';

export interface AssembleOptions extends Context {
  readonly store: BlobStore;
  /** The folder that the bundle becomes; it must not exist. */
  readonly output: string;
  /** Part size in bytes; 0 to keep blobs whole. */
  readonly partSize: number;
  /** The number of recovery rows; absent for none. */
  readonly parity?: number;
  /** Splits the bundle across discs. */
  readonly discs?: {
    /** Capacity of a disc, in bytes. */
    readonly size: number;
    /** Whether each recovery row has a disc of its own. */
    readonly parity: boolean;
  };
  /** Trust documents to include, by their path in the bundle. */
  readonly trust?: ReadonlyMap<string, Buffer>;
  /** The installers to include. */
  readonly installers?: readonly BuiltInstaller[];
  /** What the receiving sites have in common, to leave out; absent for a complete bundle. */
  readonly receivers?: Common;
  /** Names of optional parts to leave out. */
  readonly without?: readonly string[];
}

export interface Assembled {
  readonly folder: string;
  /** The folders of its discs, absolute; empty if it was not split. */
  readonly discs: readonly string[];
  readonly bundle: Bundle;
  /** The id of the bundle: SHA-512 of `SHA512SUMS`. */
  readonly id: string;
  /** Paths of the parts and installers that were left out. */
  readonly omitted: ReadonlySet<string>;
}

/**
 * Writes the unsigned bundle of a lock whose blobs are all in the store, and makes the folders above it that are missing. The
 * folder appears under its name only when every byte is on disk; a failure leaves nothing. Equal locks give equal bytes, also where parts are left out.
 * @throws StowageError `output-exists`, `space-insufficient`, `blob-damaged`, `io-failed`
 */
export async function assemble(lock: Lock, options: AssembleOptions): Promise<Assembled> {
  const output = resolvePath(options.output);
  await requireAbsent(output);
  const temporary = join(dirname(output), `.${basename(output)}.packing`);
  return withParents(output, async () => {
    await remove(temporary);
    try {
      await makeNewFolder(temporary);
      const assembled = await write(lock, temporary, options);
      await requireAbsent(output);
      if (options.discs === undefined) {
        await renameIntoPlace(temporary, output);
        return { ...assembled, folder: output, discs: [] };
      }
      const discs = await splitAcrossDiscs(assembled, temporary, output, options);
      await remove(temporary);
      return { ...assembled, folder: output, discs };
    } catch (error) {
      await remove(temporary);
      throw ioError(error, output);
    }
  });
}

async function write(
  lock: Lock,
  folder: string,
  options: AssembleOptions,
): Promise<Omit<Assembled, 'folder' | 'discs'>> {
  const { store, partSize } = options;
  const described = describeAll(lock);
  for (const each of described.values()) {
    for (const bytes of each.documents.values()) await store.put(bytes);
  }
  const blobs = bundleBlobs(lock, described);
  const facts = await readFacts(lock, store, options);
  await makePartFolder(folder);
  const installers = await copyInstallers(options.installers ?? [], folder, options);
  const leaves = leftBehind(lock, options);
  const leaving = leaves === undefined ? options : { ...options, receivers: leaves };
  const copied = await copyBlobs(blobs, folder, { ...leaving, lock });
  const control = new Map([
    ...controlDocuments(lock, { described, installers, facts }),
    ...(options.trust ?? []),
    ...(await hopEvidence(lock, store)),
  ]);
  const folders = new Set([...control.keys()].map((path) => dirname(path)));
  for (const each of folders) await makeFolder(join(folder, each));
  for (const [path, bytes] of control) await writeNew(join(folder, path), bytes);
  const bare = withPrograms(
    indexOf(lock, { described, facts, blobs: copied, control, partSize }),
    installers,
  );
  const parity = await addParity(bare, folder, leaving);
  const bundle = parity === undefined ? bare : { ...bare, parity };
  const index = writeCanonical(bundleKind, bundle);
  await writeNew(join(folder, 'bundle.json'), index);
  const checksums = writeChecksums([
    ...bundleFiles(bundle),
    { path: 'bundle.json', sha512: sriOf(index) },
  ]);
  await writeNew(join(folder, 'SHA512SUMS'), checksums);
  for (const each of ['blobs/sha256', 'blobs', ...folders]) await syncFolder(join(folder, each));
  const omitted = leaves === undefined ? new Set<string>() : incrementOf(bundle, leaves).omitted;
  for (const path of omitted) await remove(join(folder, path));
  return { bundle, id: sriHex(sriOf(checksums)), omitted };
}

function withPrograms(bundle: Bundle, programs: readonly DescribedInstaller[]): Bundle {
  if (programs.length === 0) return bundle;
  const installers = programs.map(({ components: _, ...each }) => each);
  return { ...bundle, schema: bundleSchema({ ...bundle, installers }), installers };
}

async function copyBlobs(
  blobs: readonly SizedBlob[],
  folder: string,
  { lock, ...options }: AssembleOptions & { readonly lock: Lock },
): Promise<BundleBlob[]> {
  const { store, partSize, receivers, emit, signal } = options;
  const omits = ({ digest }: SizedBlob): boolean => receivers?.hasBlob(digest) === true;
  const total = blobs.reduce((sum, blob) => sum + blob.size, 0);
  emit({ type: 'step', step: 'pack', subject: counted(blobs.length, 'blob') });
  const tally = new Tally(emit, 'pack', total);
  const weights = weightsOf(lock);
  // Recovery parts are calculated from every blob.
  const verify = options.parity !== undefined;
  const omitted = (blob: SizedBlob): { readonly omit?: OmittedParts } => {
    if (receivers === undefined) return {};
    if (omits(blob)) return { omit: { has: () => true, verify } };
    return weights.has(blob.digest) ? { omit: { has: receivers.hasPart, verify } } : {};
  };
  const copied = new Map<Digest, BundleBlob>();
  const pool = new HashPool(signal);
  try {
    await requireSpace(folder, await bytesToWrite(blobs, { weights, pool, ...options }));
    // A blob with one part occupies one worker, so twice as many blobs as workers keep every worker busy.
    const target = { partSize, store, folder, pool, onBytes: tally.add };
    await forEachBounded(blobs, pool.width * 2, async (blob) => {
      copied.set(blob.digest, await copyParts(blob, { ...target, ...omitted(blob) }));
    });
  } finally {
    await pool.close();
  }
  const made = blobs.flatMap((blob) => copied.get(blob.digest) ?? []);
  await syncSmallParts(
    made.flatMap((blob) => {
      const { omit } = omitted(blob);
      return blob.parts.filter(({ sha512 }) => omit?.has(sha512) !== true);
    }),
    folder,
  );
  return made;
}

/** The bytes of blobs that are written. Hashes those whose parts decide it, unless their sums are recorded. */
async function bytesToWrite(
  blobs: readonly SizedBlob[],
  options: WrittenShape & Pick<AssembleOptions, 'store'> & { readonly pool: HashPool },
): Promise<number> {
  let bytes = 0;
  await forEachBounded(blobs, options.pool.width, async (blob) => {
    const sums = (): Promise<readonly PieceSums[]> => partSums(blob, options);
    const written = await writtenBytes(blob, options, sums);
    bytes += written ?? 0;
  });
  return bytes;
}

async function addParity(
  bundle: Bundle,
  folder: string,
  options: AssembleOptions,
): Promise<Parity | undefined> {
  const { parity: rows, discs, partSize, emit, signal } = options;
  const parts = dataParts(bundle);
  if (rows === undefined || bundleBytes(bundle) === 0) return undefined;
  const stripe = stripeOf(partSize);
  const columns =
    discs?.parity === true ? columnsOfDiscs(bundle, rows, discs.size) : evenColumns(parts);
  const total = recoveryBytes(columns, rows, parts);
  emit({ type: 'step', step: 'parity', subject: `${rows} of ${columns.length + rows}` });
  const tally = new Tally(emit, 'parity', total);
  const pool = new HashPool(signal);
  try {
    const shape = { stripe, columns, rows, discs: discs?.parity === true };
    const elsewhere = omittedPlaces(bundle, options);
    return await writeParity(parts, shape, { folder, elsewhere, pool, onBytes: tally.add });
  } finally {
    await pool.close();
  }
}

/** Where the parts are that are not copied. */
function omittedPlaces(
  bundle: Bundle,
  { receivers, store }: AssembleOptions,
): Map<string, { path: string; offset: number }> {
  if (receivers === undefined) return new Map();
  const { omitted } = incrementOf(bundle, receivers);
  return new Map(
    bundle.blobs.flatMap(({ digest, parts }) =>
      parts
        .filter(({ path }) => omitted.has(path))
        .map(({ path, offset }) => [path, { path: store.path(digest), offset }] as const),
    ),
  );
}

async function splitAcrossDiscs(
  { bundle, omitted }: Pick<Assembled, 'bundle' | 'omitted'>,
  folder: string,
  output: string,
  options: AssembleOptions,
): Promise<string[]> {
  const paths = ['SHA512SUMS', 'bundle.json', ...bundleFiles(bundle).map((each) => each.path)];
  const source = {
    bundle,
    files: new Map(paths.map((path) => [path, join(folder, path)])),
    sums: new Map(bundleFiles(bundle).map((each) => [each.path, each.sha512])),
    move: true,
    omitted,
  };
  const disc = { discSize: options.discs?.size ?? 0, control: await controlSizes(source) };
  return writeDiscs(source, discRuns(bundle, disc, omitted), output, options);
}

/** @throws StowageError `output-exists` */
export async function requireAbsent(output: string): Promise<void> {
  if (!(await exists(output))) return;
  throw new StowageError('output-exists', `${output} already exists`, {
    expected: 'a path that does not exist',
    found: 'a file or folder',
    hint: 'choose another --output, or move the old bundle away',
  });
}
