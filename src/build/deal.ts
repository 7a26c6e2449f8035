import { exactBytes } from '../core/amount.ts';
import { StowageError } from '../core/error.ts';
import { CRC_SPAN_BYTES, KIB, MAX_PARITY_COLUMNS, MIB } from '../core/limits.ts';
import { type Bundle, bundleKind, dataParts } from '../format/bundle.ts';
import { writeCanonical } from '../format/document.ts';
import type { Part } from '../format/part.ts';
import { stripeOf } from './parity.ts';

/** What a file takes at least, and in steps of which: the clusters of FAT32 and exFAT on media of this size. */
const CLUSTER_BYTES = 32 * KIB;
/** Signatures come later than the discs. */
const SIGNATURES_BYTES: number = MIB / 2;

/** Media by the names they are sold under, in bytes of the smallest kind of that name. */
export const MEDIA: Readonly<Record<string, number>> = {
  dvd: 4_700_372_992,
  'dvd-dl': 8_543_666_176,
  bd25: 25_025_314_816,
  bd50: 50_050_629_632,
  bd100: 100_103_356_416,
  bd128: 128_001_769_472,
};

/** What lies on a disc besides its parts: the sizes of the control files, in bytes. */
export interface Room {
  /** What the medium holds, in bytes. */
  readonly discSize: number;
  readonly control: readonly number[];
}

/** What a file takes on a medium, in bytes. */
function taken(size: number): number {
  return Math.ceil(size / CLUSTER_BYTES) * CLUSTER_BYTES;
}

/** What is left of a medium for parts, in bytes, beside control files of so many. */
export function discSpace(discSize: number, controlSize: number): number {
  return usable(discSize) - controlBytes([controlSize]);
}

/** What a medium holds beside its own tables: 0.5 % and 1 MiB are left to the file system. */
function usable(discSize: number): number {
  return Math.floor(discSize * 0.995) - MIB;
}

function controlBytes(control: readonly number[]): number {
  return control.reduce((sum, size) => sum + taken(size), SIGNATURES_BYTES);
}

/**
 * Deals parts to discs in their order, each disc filled before the next is begun.
 * @returns how many parts each disc gets
 * @throws StowageError `disc-too-small` when the control files and the largest part do not fit on one
 */
export function deal(parts: readonly Pick<Part, 'path' | 'size'>[], room: Room): number[] {
  const space = usable(room.discSize) - controlBytes(room.control);
  const largest = parts.reduce((most, { size }) => Math.max(most, size), 0);
  if (taken(largest) > space || space < 0) throw tooSmall(room, largest);
  const counts: number[] = [];
  let left = 0;
  for (const { size } of parts) {
    if (counts.length === 0 || taken(size) > left) {
      counts.push(0);
      left = space;
    }
    counts.push((counts.pop() ?? 0) + 1);
    left -= taken(size);
  }
  return counts.length === 0 ? [0] : counts;
}

/**
 * Holds a dealing that is given against a disc size.
 * @throws StowageError `disc-too-small`
 */
export function requireFit(
  runs: readonly (readonly Pick<Part, 'path' | 'size'>[])[],
  room: Room,
): void {
  for (const run of runs) {
    const bytes = run.reduce((sum, { size }) => sum + taken(size), 0);
    if (bytes > usable(room.discSize) - controlBytes(room.control)) throw tooSmall(room, bytes);
  }
}

/**
 * Deals the parts of blobs to discs while it is not known yet how large the index will be once it lists the recovery
 * rows that go on discs of their own: room is left for the most that it can be.
 * @returns how many parts each disc gets
 * @throws StowageError `disc-too-small`
 */
export function columnsOfDiscs(bundle: Bundle, rows: number, discSize: number): number[] {
  const parts = dataParts(bundle);
  const index = writeCanonical(bundleKind, bundle).length;
  const files = parts.length + bundle.control.length;
  // A recovery part has about 400 bytes in the index and 160 in the list, and 8 for each 4 MiB.
  const stripes = 1 + discSize / stripeOf(bundle.partSize);
  const recovery = rows * (stripes * 560 + (discSize / CRC_SPAN_BYTES) * 8) + 16 * KIB;
  const sums = files * 256;
  const listed = [...bundle.control, ...(bundle.installers ?? [])].map((each) => each.size);
  const control = [...listed, index + recovery, sums + recovery];
  const columns = deal(parts, { discSize, control });
  if (columns.length <= MAX_PARITY_COLUMNS) return columns;
  throw new StowageError('disc-too-small', 'too many discs for recovery discs', {
    expected: `at most ${MAX_PARITY_COLUMNS} discs`,
    found: `${columns.length} discs`,
    hint: 'use larger discs, or --parity instead of --parity-discs',
  });
}

function tooSmall({ discSize, control }: Room, largest: number): StowageError {
  const needed = Math.ceil((controlBytes(control) + taken(largest) + MIB) / 0.995);
  return new StowageError('disc-too-small', 'the disc size is too small', {
    expected: `at least ${exactBytes(needed)}: for the control files, which are on every disc, and the largest part, ${exactBytes(largest)}`,
    found: exactBytes(discSize),
    hint: 'use larger discs, or pack with a smaller --part-size',
  });
}
