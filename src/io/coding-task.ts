import type { Sri } from '../core/digest.ts';

/** A stretch of a file that is a stretch of a column. */
export interface Segment {
  readonly path: string;
  /** Where it begins in the file, in bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** One column of an equation: segments one after another, and zeros after the last to the length of the task. */
export interface CodingInput {
  readonly segments: readonly Segment[];
  /** For each output the factor of this column, in GF(2^8). */
  readonly factors: readonly number[];
}

export interface CodingOutput {
  /** Where its bytes go, one stretch after another; what is beyond the last is not kept. */
  readonly segments: readonly Segment[];
  /** Whether the files are made anew (and must not exist) or exist already. */
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
