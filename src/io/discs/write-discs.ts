import { chmod, link, lstat, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Context, type OnBytes, Tally } from '../../core/context.ts';
import type { Sri } from '../../core/digest.ts';
import { StowageError, systemCode } from '../../core/error.ts';
import { allParts, type Bundle, dataParts } from '../../format/bundle.ts';
import { discName, type Part } from '../../format/part.ts';
import { ioError, remove, renameIntoPlace, syncFolder } from '../file.ts';
import { makeFolder, requireSpace, withParents } from '../folder.ts';
import type { HashTask } from '../hash-task.ts';
import { HashPool } from '../hashing.ts';
import { PassError } from '../positioned.ts';
import { forEachBounded } from '../queue.ts';
import { type DiscContents, requirePartsFit, splitParts } from './disc-split.ts';

/** A bundle and the paths of its files. */
export interface BundleSource {
  readonly bundle: Bundle;
  /** `SHA512SUMS`, `bundle.json`, control files and parts: the absolute path of each file by its path in the bundle. */
  readonly files: ReadonlyMap<string, string>;
  /** The expected checksums. Signatures have none. */
  readonly sums: ReadonlyMap<string, Sri>;
  /** Whether to move the parts; otherwise they are linked, or copied and hashed. */
  readonly move: boolean;
  /** Paths of parts and installers that are left out; absent for none. */
  readonly omitted?: ReadonlySet<string>;
}

/**
 * The parts on each disc, in order. Recovery parts that were computed for discs are kept on discs of their own; a disc whose
 * parts are all left out is left out too.
 * @param omitted paths of parts to leave out
 * @throws StowageError `disc-too-small`
 */
export function discRuns(
  bundle: Pick<Bundle, 'blobs' | 'parity'>,
  disc: DiscContents,
  omitted: ReadonlySet<string> = new Set(),
): Part[][] {
  const { parity } = bundle;
  const travels = ({ path }: Part): boolean => !omitted.has(path);
  if (parity?.discs === true) {
    const data = cut(dataParts(bundle), parity.columns);
    const runs = [...data, ...parity.rows].map((run) => run.filter(travels));
    requirePartsFit(runs, disc);
    const full = runs.filter((run) => omitted.size === 0 || run.length > 0);
    return full.length === 0 ? [[]] : full;
  }
  const parts = allParts(bundle).filter(travels);
  return cut(parts, splitParts(parts, disc));
}

function cut(parts: readonly Part[], counts: readonly number[]): Part[][] {
  let next = 0;
  return counts.map((count) => {
    next += count;
    return parts.slice(next - count, next);
  });
}

/** The sizes of the files that every disc contains, for a bundle that is not split. */
export async function controlSizes(source: BundleSource): Promise<number[]> {
  const sizes: number[] = [];
  for (const path of controlPaths(source))
    sizes.push((await lstat(where(source.files, path))).size);
  return sizes;
}

/**
 * Writes a folder `disc-K-of-N` for each run into `output`, which must not exist, and makes the folders above it that are
 * missing. It appears only when it is complete on disk, and a failure leaves nothing.
 * @throws StowageError `space-insufficient`, `part-damaged`, `part-missing`, `io-failed`
 */
export async function writeDiscs(
  source: BundleSource,
  runs: readonly (readonly Part[])[],
  output: string,
  context: Context,
): Promise<string[]> {
  const names = runs.map((_, index) => discName(index + 1, runs.length));
  await build(output, context, async (folder, pool) => {
    for (const [index, run] of runs.entries()) {
      const name = names[index] ?? '';
      context.emit({ type: 'step', step: 'disc', subject: name });
      await fillDisc(source, run, { folder: join(folder, name), pool, emit: context.emit });
    }
  });
  return names.map((name) => join(output, name));
}

/** Writes one folder with the control files and some of the parts, as {@link writeDiscs} does. */
export async function writeDisc(
  source: BundleSource,
  run: readonly Part[],
  output: string,
  context: Context,
): Promise<void> {
  const { emit } = context;
  await build(output, context, (folder, pool) => fillDisc(source, run, { folder, pool, emit }));
}

async function build(
  output: string,
  { signal }: Context,
  work: (folder: string, pool: HashPool) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(output), `.${basename(output)}.dealing`);
  await withParents(output, async () => {
    await remove(temporary);
    const pool = new HashPool(signal);
    try {
      await makeFolder(temporary);
      await work(temporary, pool);
      await syncFolder(temporary);
      await pool.close();
      await renameIntoPlace(temporary, output);
    } catch (error) {
      await pool.close();
      await remove(temporary);
      throw ioError(error, output);
    }
  });
}

interface DiscTarget extends Pick<Context, 'emit'> {
  readonly folder: string;
  readonly pool: HashPool;
}

async function fillDisc(
  source: BundleSource,
  run: readonly Part[],
  { folder, pool, emit }: DiscTarget,
): Promise<void> {
  const { bundle, files, sums, move } = source;
  const control = controlPaths(source);
  const folders = new Set([...control, ...run.map((part) => part.path)].map(dirname));
  for (const each of folders) await makeFolder(join(folder, each));
  const copies = control.map((path) => ({ path, size: 0 }));
  for (const each of copies) each.size = (await lstat(where(files, each.path))).size;
  for (const part of run) {
    const from = where(files, part.path);
    if (move) await rename(from, join(folder, part.path));
    else if (!(await linked(from, join(folder, part.path)))) copies.push(part);
  }
  const total = copies.reduce((sum, each) => sum + each.size, 0);
  await requireSpace(folder, total);
  const tally = new Tally(emit, `write ${basename(folder)}`, total);
  await forEachBounded(copies, pool.width, async ({ path, size }) => {
    const file = {
      from: where(files, path),
      to: join(folder, path),
      size,
      expected: sums.get(path),
    };
    await copy(file, pool, tally.add);
  });
  for (const { path } of bundle.installers ?? [])
    if (control.includes(path)) await chmod(join(folder, path), 0o755);
  for (const each of folders) await syncFolder(join(folder, each));
}

// Linked files share their content with the bundle. That is safe, because finished files are never modified.
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP'].includes(systemCode(error) ?? ''))
      return false;
    throw ioError(error, from);
  }
}

interface FileCopy {
  readonly from: string;
  readonly to: string;
  /** In bytes. */
  readonly size: number;
  readonly expected: Sri | undefined;
}

async function copy(
  { from, to, size, expected }: FileCopy,
  pool: HashPool,
  onBytes: OnBytes,
): Promise<void> {
  const pieces = [{ length: size, destination: { path: to, offset: 0, create: true } }];
  const task: HashTask = { path: from, size, offset: 0, pieces, hashes: ['sha512'] };
  try {
    const { pieces } = await pool.run(task, onBytes);
    const found = pieces[0]?.sha512;
    if (expected !== undefined && found !== expected) throw damaged(from, expected, found ?? '');
  } catch (error) {
    if (!(error instanceof PassError)) throw error;
    if (error.path === from && ['ESIZE', 'ESHORT', 'EIO'].includes(error.code))
      throw damaged(from, `${size} readable bytes`, error.message);
    throw ioError(error, error.path);
  }
}

function controlPaths({ bundle, files, omitted }: BundleSource): string[] {
  const signatures = [...files.keys()].filter((path) => path.startsWith('signatures/'));
  const listed = [...bundle.control, ...(bundle.installers ?? [])]
    .map((each) => each.path)
    .filter((path) => omitted?.has(path) !== true);
  return ['SHA512SUMS', 'bundle.json', ...listed, ...signatures];
}

function where(files: ReadonlyMap<string, string>, path: string): string {
  const found = files.get(path);
  if (found !== undefined) return found;
  throw new StowageError('part-missing', `${path} is not in the given bundle`, {
    expected: path,
    found: 'nothing',
    hint: 'give the folder with the complete bundle, or all of its discs',
  });
}

function damaged(path: string, expected: string, found: string): StowageError {
  return new StowageError('part-damaged', `${path} does not match its checksum in the bundle`, {
    expected,
    found,
    hint: 'use an intact copy of the bundle, or pack it again',
  });
}
