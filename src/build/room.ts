import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bundleBlobs, describeAll, lockBlobs } from '../content/items.ts';
import { exactBytes } from '../core/amount.ts';
import { digestHex } from '../core/digest.ts';
import { StowageError, systemCode } from '../core/error.ts';
import { KIB, MIB } from '../core/limits.ts';
import type { Lock } from '../format/lock.ts';
import type { LockedFile } from '../format/locked-content.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { freeBytes, ioError } from '../io/file.ts';
import type { AssembleOptions } from './assemble.ts';
import { discSpace } from './deal.ts';
import { isLocal } from './origins.ts';
import { evenColumns, recoveryBytes } from './parity.ts';
import { sliceBlob } from './parts.ts';

export interface RoomOptions extends Partial<BundleShape> {
  readonly store: BlobStore;
  /** The folder that the bundle becomes; absent when only the store is filled. */
  readonly output?: string;
  /** Bytes free at a path that exists. */
  readonly free?: (path: string) => Promise<number>;
}

interface Place {
  readonly what: string;
  readonly path: string;
  readonly device: number;
  readonly needed: number;
}

/**
 * Checks, before the first byte, that there is room for what the store lacks of a lock and for its bundle, recovery
 * parts and copies on discs among it. Both may lie on one file system.
 * @throws StowageError `space-insufficient`, which says how much is missing where
 */
export async function requireRoom(lock: Lock, options: RoomOptions): Promise<void> {
  const { store, output, free = freeBytes } = options;
  const places = [await placeOf('the store', store.root, await storeNeeds(lock, store))];
  if (output !== undefined) {
    places.push(await placeOf('the bundle', dirname(output), bundleNeeds(lock, options)));
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

/** Bytes that the store will grow by: what is there already, whole or in part, is not counted. */
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
  return needed;
}

/** A folder becomes a tar first, and then a blob; of git there are its objects and their files before that. */
function copiesOf(file: LockedFile): number {
  return isLocal(file) ? 1 : 3;
}

async function placeOf(what: string, path: string, needed: number): Promise<Place> {
  for (let at = path; ; at = dirname(at)) {
    try {
      return { what, path: at, device: (await stat(at)).dev, needed };
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || dirname(at) === at) throw ioError(error, at);
    }
  }
}

/** Control files of a bundle beside its blobs, and what file systems need for themselves. */
const SPARE_BYTES = 16 * MIB;
/** Control files that every disc carries, beside what grows with the number of parts. */
const DISC_CONTROL_BYTES = MIB;
/** What a part takes in `bundle.json` and `SHA512SUMS`, at most. */
const PART_LINES_BYTES = KIB;

type BundleShape = Pick<AssembleOptions, 'partSize' | 'parity' | 'discs' | 'installers'>;

/**
 * Bytes that a bundle takes on disk while it is packed, none too few: its blobs and installers, its recovery parts, and
 * what every disc has a copy of. Parts move to their disc and take their place once.
 */
export function bundleNeeds(lock: Lock, shape: Partial<BundleShape>): number {
  const { partSize = 0, parity: rows = 0, discs, installers = [] } = shape;
  const data = [...lockBlobs(lock).values()].reduce((sum, size) => sum + size, 0);
  const tools = installers.reduce((sum, { size }) => sum + size, 0);
  const whole = data + tools + SPARE_BYTES;
  const parts = bundleBlobs(lock, describeAll(lock)).flatMap((each) => sliceBlob(each, partSize));
  const even = rows === 0 ? 0 : recoveryBytes(evenColumns(parts), rows, parts);
  if (discs === undefined) return whole + even;
  const control = tools + DISC_CONTROL_BYTES + parts.length * PART_LINES_BYTES;
  const space = discSpace(discs.size, control);
  // A disc that cannot hold even the control files is refused by who deals.
  if (space <= 0) return whole + even;
  const recovery = discs.parity ? rows * Math.min(space, data) : even;
  const count = discs.parity
    ? Math.ceil(data / space) + rows
    : Math.ceil((data + recovery) / space);
  return whole + recovery + count * control;
}
