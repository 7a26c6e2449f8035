import type { Sri } from '../core/digest.ts';

/** A range of a file that is a range of a column. */
export interface Segment {
  readonly path: string;
  /** Its offset in the file, in bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** One column: consecutive segments, padded with zeros to the length of the task. */
export interface CodingInput {
  readonly segments: readonly Segment[];
  /** The factor of this column for each output, in GF(2^8). */
  readonly factors: readonly number[];
}

export interface CodingOutput {
  /** Its consecutive destinations; bytes beyond the last are discarded. */
  readonly segments: readonly Segment[];
  /** Whether the files are created (and must not exist) or exist. */
  readonly create: boolean;
}

/** Sums of products of columns, in a worker: each input read once, each output written once and fsynced. */
export interface CodingTask {
  /** Bytes of every column. */
  readonly length: number;
  readonly inputs: readonly CodingInput[];
  readonly outputs: readonly CodingOutput[];
}

export interface CodedSums {
  readonly sha512: Sri;
  /** 8 hex digits for each 4 MiB. */
  readonly crc32: string;
}
