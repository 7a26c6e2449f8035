import type { Sri } from '../core/digest.ts';

/** A stretch of the source that is hashed by itself, and copied when it has a destination. */
export interface Piece {
  /** Bytes. */
  readonly length: number;
  readonly destination?: {
    readonly path: string;
    /** Where in the destination the piece begins, in bytes. */
    readonly offset: number;
    /** Whether the file is made anew (and must not exist) or exists already. */
    readonly create: boolean;
  };
}

/** One sequential pass over a file, in a worker: read once, hash, and write what has a destination. */
export interface HashTask {
  readonly path: string;
  /** The size that the file must have, in bytes; a file that is shorter, longer or no regular file is refused. */
  readonly size: number;
  /** Where the first piece begins, in bytes. */
  readonly offset: number;
  readonly pieces: readonly Piece[];
  /** Whether to compute the SHA-256 of all pieces together. */
  readonly sha256: boolean;
  /** Whether to compute the CRC-32 of each 4 MiB of each piece. */
  readonly crc32: boolean;
}

export interface PieceSums {
  readonly sha512: Sri;
  /** 8 hex digits for each 4 MiB; empty unless asked for. */
  readonly crc32: string;
}

export interface HashResult {
  /** 64 hex digits; empty unless asked for. */
  readonly sha256: string;
  readonly pieces: readonly PieceSums[];
}

/** What a worker says back. `progress` counts bytes since the last message. */
export type WorkerMessage =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'result'; readonly result: HashResult }
  | {
      readonly kind: 'failure';
      readonly message: string;
      readonly code: string;
      readonly path: string;
    };
