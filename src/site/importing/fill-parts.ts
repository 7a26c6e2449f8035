import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { contentOf } from '../../bundle/part-check.ts';
import { partsOfWeights } from '../../content/increment.ts';
import { type Emit, Tally } from '../../core/context.ts';
import type { Sri } from '../../core/digest.ts';
import { counted } from '../../core/text.ts';
import type { Part } from '../../format/part.ts';
import { ioError } from '../../io/file.ts';
import type { Destination, HashTask } from '../../io/hash-task.ts';
import type { HashPool } from '../../io/hashing.ts';
import { PassError } from '../../io/positioned.ts';
import { forEachBounded } from '../../io/queue.ts';
import { listReleases } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { Staging } from './staging.ts';

/** The most places in the store that are tried for one part. */
const MAX_PLACES = 8;

interface FillContext {
  readonly admitted: AdmittedBundle;
  readonly site: SiteFolder;
  readonly staging: Staging;
  readonly emit: Emit;
}

/** Where the store has the bytes of a part, if the file is intact. */
interface Place {
  readonly path: string;
  /** Of the file, in bytes. */
  readonly size: number;
  readonly offset: number;
  /** What it is, for a message. */
  readonly content: string;
}

/**
 * Copies missing parts of the files of models from other such files in the store: releases at the site list the same SHA-512 for one
 * of their parts. Each is hashed while it is copied, and kept only if it is as signed; a damaged file is named, and the next one tried.
 * @param isWanted which parts to look for
 * @returns the parts that were copied
 * @throws StowageError `io-failed`, `space-insufficient`, `interrupted`
 */
export async function fillParts(
  { admitted, site, staging, emit }: FillContext,
  pool: HashPool,
  isWanted: (part: Part) => boolean,
): Promise<ReadonlySet<Part>> {
  const missing = new Set(staging.missing());
  const wanted = [...partsOfWeights(admitted.bundle)]
    .map(([part]) => part)
    .filter((part) => part.size > 0 && missing.has(part) && isWanted(part));
  const filled = new Set<Part>();
  const places = await placesOf(wanted, site);
  const found = wanted.filter(({ sha512 }) => places.has(sha512));
  if (found.length === 0) return filled;
  emit({ type: 'step', step: 'fill', subject: counted(found.length, 'part') });
  const bytes = found.reduce((sum, { size }) => sum + size, 0);
  const { add } = new Tally(emit, 'copy from the store', bytes);
  await forEachBounded(found, pool.width, async (part) => {
    for (const place of places.get(part.sha512) ?? []) {
      if (!(await copy(part, place, { staging, pool, onBytes: add }))) {
        emit({
          type: 'warning',
          message: `a stored file is damaged: ${place.content} (${place.path}); ${part.path} is not copied from it`,
        });
        continue;
      }
      await staging.keep(part);
      filled.add(part);
      return;
    }
  });
  return filled;
}

/** Where releases at the site list these sums. */
async function placesOf(
  wanted: readonly Part[],
  site: SiteFolder,
): Promise<ReadonlyMap<Sri, readonly Place[]>> {
  const sizes = new Map(wanted.map(({ sha512, size }) => [sha512, size]));
  const places = new Map<Sri, Map<string, Place>>();
  if (sizes.size === 0) return new Map();
  for (const { bundle } of (await listReleases(site)).releases.toReversed()) {
    for (const [part, { digest, size }] of partsOfWeights(bundle)) {
      const { sha512, offset } = part;
      if (sizes.get(sha512) !== part.size) continue;
      const known = places.get(sha512) ?? new Map<string, Place>();
      if (known.size === MAX_PLACES) continue;
      const path = site.store.path(digest);
      const content = contentOf(bundle, part);
      known.set(`${path} ${offset}`, { path, size, offset, content });
      places.set(sha512, known);
    }
  }
  return new Map([...places].map(([sha512, known]) => [sha512, [...known.values()]]));
}

interface CopyTarget {
  readonly staging: Staging;
  readonly pool: HashPool;
  readonly onBytes: (bytes: number) => void;
}

/** @returns whether the bytes there are those of the part, and are on disk in its place */
async function copy(
  part: Part,
  { path, size, offset }: Place,
  { staging, pool, onBytes }: CopyTarget,
): Promise<boolean> {
  const target = staging.place(part);
  const small = staging.isSmall(part);
  if (!small) await staging.allocate(part);
  const destination: Destination = { ...target, create: small ? 'anew' : false };
  const pieces = [{ length: part.size, destination }];
  const task: HashTask = { path, size, offset, pieces, hashes: ['sha512'] };
  let read = 0;
  const count = (bytes: number): void => {
    read += bytes;
    onBytes(bytes);
  };
  try {
    if ((await pool.run(task, count)).pieces[0]?.sha512 === part.sha512) return true;
  } catch (error) {
    // A source that cannot be read is like a damaged one; the copy must be writable.
    if (!(error instanceof PassError)) throw error;
    if (error.path !== path) throw ioError(error, error.path);
  }
  onBytes(-read);
  return false;
}
