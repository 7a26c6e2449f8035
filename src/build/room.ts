import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { weightsOf } from '../content/increment.ts';
import { bundleBlobs, describeAll, lockBlobs } from '../content/items.ts';
import { digestHex } from '../core/digest.ts';
import { StowageError, systemCode } from '../core/error.ts';
import { KIB, MIB } from '../core/limits.ts';
import { exactBytes } from '../core/text.ts';
import type { Lock } from '../format/lock.ts';
import type { LockedFile } from '../format/locked-content.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { discSpace } from '../io/discs/disc-split.ts';
import { ioError, notFolder } from '../io/file.ts';
import { freeBytes } from '../io/folder.ts';
import type { BlobSums } from '../io/hash-task.ts';
import type { AssembleOptions } from './assemble.ts';
import { isLocal } from './origins.ts';
import { evenColumns, recoveryBytes } from './parity.ts';
import { recordedSums, sliceBlob, writtenBytes } from './part-sums.ts';
import { neededLayers } from './pull-layers.ts';

export interface SpaceOptions extends Partial<BundleShape> {
  readonly store: BlobStore;
  /** The folder of the bundle; absent if content is only downloaded to the store. */
  readonly output?: string;
  /** Returns the free bytes of the file system of an existing path. */
  readonly free?: (path: string) => Promise<number>;
}

interface Place {
  readonly what: string;
  readonly path: string;
  readonly device: number;
  readonly needed: number;
}

/**
 * Checks, before the first download, that there is enough space for the blobs that the store lacks and for the bundle,
 * including recovery parts and copies on discs. Store and bundle may share a file system.
 * @throws StowageError `space-insufficient`, with the missing space of each file system
 */
export async function requireRoom(lock: Lock, options: SpaceOptions): Promise<void> {
  const { store, output, free = freeBytes } = options;
  const places = [await placeOf('the store', store.root, await storeNeeds(lock, store))];
  if (output !== undefined) {
    places.push(await placeOf('the bundle', dirname(output), await bundleNeeds(lock, options)));
  }
  const short: string[] = [];
  let missing = 0;
  for (const device of new Set(places.map((each) => each.device))) {
    const here = places.filter((each) => each.device === device && each.needed > 0);
    const [first] = here;
    if (first === undefined) continue;
    const needed = here.reduce((sum, each) => sum + each.needed, 0);
    const found = await free(first.path);
    if (found >= needed) continue;
    missing += needed - found;
    const parts = here.map((each) => `${exactBytes(each.needed)} for ${each.what}`).join(' and ');
    short.push(
      `${exactBytes(needed - found)} missing on the file system of ${first.path}: ${parts}, ${exactBytes(found)} free`,
    );
  }
  if (short.length === 0) return;
  throw new StowageError(
    'space-insufficient',
    'not enough disk space for the content of the lock',
    {
      expected: places
        .map(({ what, path, needed }) => `${exactBytes(needed)} for ${what} at ${path}`)
        .join(', '),
      found: `${exactBytes(missing)} missing`,
      hint: 'free that much space, or choose another --store or --output; stowage store prune deletes unused blobs',
      defects: short,
    },
  );
}

/** Bytes that the store will grow by, without the blobs and partial downloads that it already contains. */
async function storeNeeds(lock: Lock, store: BlobStore): Promise<number> {
  const trees = new Map(
    lock.files.filter(({ kind }) => kind === 'tree').map((file) => [file.digest, copiesOf(file)]),
  );
  let needed = 0;
  for (const [digest, size] of lockBlobs(lock)) {
    if ((await store.size(digest)) === size) continue;
    const there = await store.incomingBytes(digestHex(digest));
    needed += Math.max(0, size - there) + (trees.get(digest) ?? 0) * size;
  }
  // An archive is in the store until the files are taken out of it.
  for (const { digest, size } of await neededLayers(lock, store))
    needed += Math.max(0, size - (await store.incomingBytes(digestHex(digest))));
  return needed;
}

/** How many copies of a file or folder exist at once: a folder is a tar before it is a blob; git also needs its objects and the exported files. */
function copiesOf(file: LockedFile): number {
  return isLocal(file) ? 1 : 3;
}

async function placeOf(what: string, path: string, needed: number): Promise<Place> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const status = await stat(at);
      if (!status.isDirectory()) throw notFolder(at, undefined);
      return { what, path: at, device: status.dev, needed };
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '') || dirname(at) === at)
        throw ioError(error, at);
    }
  }
}

/** Space for the control files of a bundle and for file system overhead. */
const SPARE_BYTES = 16 * MIB;
/** Space for the control files on every disc, except what grows with the number of parts. */
const DISC_CONTROL_BYTES = MIB;
/** An upper bound for the lines of a part in `bundle.json` and `SHA512SUMS`. */
const PART_LINES_BYTES = KIB;

type BundleShape = Pick<
  AssembleOptions,
  'partSize' | 'parity' | 'discs' | 'installers' | 'receivers'
>;

/**
 * An upper bound for the bytes that a bundle occupies while it is packed: its blobs, installers and recovery parts, and
 * the control files on every disc. Parts are moved to their disc, so they count once. Of a file that may share parts with others at the
 * receiving sites, nothing counts until its checksums are recorded: assembly checks the space again, before it writes.
 */
export async function bundleNeeds(
  lock: Lock,
  { store, ...shape }: Partial<BundleShape> & Pick<SpaceOptions, 'store'>,
): Promise<number> {
  const { partSize = 0, parity: rows = 0, discs, installers = [], receivers } = shape;
  const written = { weights: weightsOf(lock), partSize, ...(receivers && { receivers }) };
  let data = 0;
  for (const [digest, size] of lockBlobs(lock)) {
    const blob = { digest, size };
    const recorded = async (): Promise<BlobSums['parts'] | undefined> =>
      (await recordedSums(blob, { store, partSize }))?.sums.parts;
    data += (await writtenBytes(blob, written, recorded)) ?? 0;
  }
  const tools = installers.reduce((sum, { size }) => sum + size, 0);
  const whole = data + tools + SPARE_BYTES;
  const parts = bundleBlobs(lock, describeAll(lock)).flatMap((each) => sliceBlob(each, partSize));
  const even = rows === 0 ? 0 : recoveryBytes(evenColumns(parts), rows, parts);
  if (discs === undefined) return whole + even;
  const control = tools + DISC_CONTROL_BYTES + parts.length * PART_LINES_BYTES;
  const space = discSpace(discs.size, control);
  // The split refuses discs that are too small for the control files.
  if (space <= 0) return whole + even;
  const recovery = discs.parity ? rows * Math.min(space, data) : even;
  const count = discs.parity
    ? Math.ceil(data / space) + rows
    : Math.ceil((data + recovery) / space);
  return whole + recovery + count * control;
}
