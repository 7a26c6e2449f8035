import type { SizedBlob } from '../content/content-kind.ts';
import type { Common } from '../content/increment.ts';
import { type Digest, digestHex } from '../core/digest.ts';
import { partPath } from '../format/part.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { type BlobSums, type PieceSums, wholeSums } from '../io/hash-task.ts';
import type { NotedSums } from '../io/noted-sums.ts';

/** One part of a blob, at a multiple of the part size. */
export interface Slice {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

/** Divides a blob into parts. @param partSize bytes; 0 to keep the blob whole */
export function sliceBlob(blob: SizedBlob, partSize: number): Slice[] {
  const hex = digestHex(blob.digest);
  if (partSize === 0 || blob.size <= partSize)
    return [{ path: partPath(hex), offset: 0, size: blob.size }];
  return Array.from({ length: Math.ceil(blob.size / partSize) }, (_, index) => ({
    path: partPath(hex, index),
    offset: index * partSize,
    size: Math.min(partSize, blob.size - index * partSize),
  }));
}

/** The recorded sums of the parts of a blob; undefined if none are recorded for this part size. */
export async function recordedSums(
  blob: SizedBlob,
  { store, partSize }: { readonly store: BlobStore; readonly partSize: number },
): Promise<NotedSums | undefined> {
  const noted = await store.noted(blob);
  if (noted === undefined) return undefined;
  const { sums } = noted;
  return isOnGrid(sums, partSize, sliceBlob(blob, partSize)) ? noted : undefined;
}

function isOnGrid(sums: BlobSums, partSize: number, slices: readonly Slice[]): boolean {
  return sums.partSize === partSize || (slices.length === 1 && sums.parts.length === 1);
}

/** What decides which bytes of a lock are written to a bundle. */
export interface WrittenShape {
  /** The files of its models. */
  readonly weights: ReadonlySet<Digest>;
  readonly partSize: number;
  /** What the receiving sites have in common; absent if everything is written. */
  readonly receivers?: Common;
}

/**
 * The bytes of a blob that are written to a bundle: without the parts that the receiving sites have.
 * @param sums of the parts of a blob, asked for only where these decide
 * @returns undefined where these are not known
 */
export async function writtenBytes(
  blob: SizedBlob,
  { weights, partSize, receivers }: WrittenShape,
  sums: (blob: SizedBlob) => Promise<readonly PieceSums[] | undefined>,
): Promise<number | undefined> {
  if (receivers === undefined) return blob.size;
  if (receivers.hasBlob(blob.digest)) return 0;
  if (!receivers.hasParts || !weights.has(blob.digest)) return blob.size;
  const found = await sums(blob);
  if (found === undefined) return undefined;
  return sliceBlob(blob, partSize).reduce(
    (sum, { size }, index) =>
      receivers.hasPart(wholeSums(found[index]).sha512) ? sum : sum + size,
    0,
  );
}
