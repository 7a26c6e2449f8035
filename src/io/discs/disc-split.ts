import { StowageError } from '../../core/error.ts';
import { CRC_SPAN_BYTES, KIB, MAX_PARITY_COLUMNS, MIB } from '../../core/limits.ts';
import { counted, exactBytes } from '../../core/text.ts';
import { type Bundle, bundleKind, dataParts } from '../../format/bundle.ts';
import { writeCanonical } from '../../format/document.ts';
import { type Part, stripeOf } from '../../format/part.ts';

/** Cluster size of FAT32 and exFAT on media of this size: files occupy whole clusters. */
const CLUSTER_BYTES = 32 * KIB;
/** Reserved for signatures, which are added after the split. */
const SIGNATURES_BYTES: number = MIB / 2;

/** Media by trade name, each with the capacity in bytes of the smallest variant. */
export const MEDIA: Readonly<Record<string, number>> = {
  dvd: 4_700_372_992,
  'dvd-dl': 8_543_666_176,
  bd: 25_025_314_816,
  bd25: 25_025_314_816,
  'bd-dl': 50_050_629_632,
  bd50: 50_050_629_632,
  bd100: 100_103_356_416,
  bd128: 128_001_769_472,
};

/** The size of a disc, and the sizes of the control files that every disc contains, in bytes. */
export interface DiscContents {
  /** Raw capacity in bytes. */
  readonly discSize: number;
  readonly control: readonly number[];
}

/** The space that a file occupies on a disc, in bytes. */
function allocatedBytes(size: number): number {
  return Math.ceil(size / CLUSTER_BYTES) * CLUSTER_BYTES;
}

/** The space for parts on a disc, in bytes. @param controlSize total size of the control files */
export function discSpace(discSize: number, controlSize: number): number {
  return capacityOf(discSize) - controlBytes([controlSize]);
}

/** The capacity for files, in bytes: 0.5 % and 1 MiB are reserved for the file system. */
function capacityOf(discSize: number): number {
  return Math.floor(discSize * 0.995) - MIB;
}

function controlBytes(control: readonly number[]): number {
  return control.reduce((sum, size) => sum + allocatedBytes(size), SIGNATURES_BYTES);
}

/**
 * Splits parts across discs in order: each disc is filled before the next one.
 * @returns the number of parts on each disc
 * @throws StowageError `disc-too-small` when the control files and the largest part do not fit on one
 */
export function splitParts(
  parts: readonly Pick<Part, 'path' | 'size'>[],
  disc: DiscContents,
): number[] {
  const space = capacityOf(disc.discSize) - controlBytes(disc.control);
  const largest = parts.reduce((most, { size }) => Math.max(most, size), 0);
  if (allocatedBytes(largest) > space || space < 0) throw tooSmall(disc, largest);
  const counts: number[] = [];
  let left = 0;
  for (const { size } of parts) {
    if (counts.length === 0 || allocatedBytes(size) > left) {
      counts.push(0);
      left = space;
    }
    counts.push((counts.pop() ?? 0) + 1);
    left -= allocatedBytes(size);
  }
  return counts.length === 0 ? [0] : counts;
}

/**
 * Checks that a given split fits on discs of this size.
 * @throws StowageError `disc-too-small`
 */
export function requirePartsFit(
  runs: readonly (readonly Pick<Part, 'path' | 'size'>[])[],
  disc: DiscContents,
): void {
  for (const run of runs) {
    const bytes = run.reduce((sum, { size }) => sum + allocatedBytes(size), 0);
    if (bytes > capacityOf(disc.discSize) - controlBytes(disc.control)) throw tooSmall(disc, bytes);
  }
}

/**
 * Splits the parts of blobs across discs before the size of the index is known: recovery parts on discs of their own
 * will be added to it. Space for the largest possible index is reserved.
 * @returns the number of parts on each disc
 * @throws StowageError `disc-too-small`
 */
export function columnsOfDiscs(bundle: Bundle, rows: number, discSize: number): number[] {
  const parts = dataParts(bundle);
  const index = writeCanonical(bundleKind, bundle).length;
  const files = parts.length + bundle.control.length;
  // A recovery part adds about 400 bytes to bundle.json, 160 to SHA512SUMS, and 8 for each 4 MiB.
  const stripes = 1 + discSize / stripeOf(bundle.partSize);
  const recovery = rows * (stripes * 560 + (discSize / CRC_SPAN_BYTES) * 8) + 16 * KIB;
  const sums = files * 256;
  const listed = [...bundle.control, ...(bundle.installers ?? [])].map((each) => each.size);
  const control = [...listed, index + recovery, sums + recovery];
  const columns = splitParts(parts, { discSize, control });
  if (columns.length <= MAX_PARITY_COLUMNS) return columns;
  throw new StowageError('disc-too-small', 'too many discs for recovery discs', {
    expected: `at most ${MAX_PARITY_COLUMNS} discs`,
    found: counted(columns.length, 'disc'),
    hint: 'use larger discs, or --parity instead of --parity-discs',
  });
}

function tooSmall({ discSize, control }: DiscContents, largest: number): StowageError {
  const needed = Math.ceil((controlBytes(control) + allocatedBytes(largest) + MIB) / 0.995);
  return new StowageError('disc-too-small', 'the disc size is too small', {
    expected: `at least ${exactBytes(needed)}: for the control files and installers, which are on every disc, and the largest part, ${exactBytes(largest)}`,
    found: exactBytes(discSize),
    hint: 'use larger discs, pack with a smaller --part-size, or leave out the installers with --no-installer',
  });
}
