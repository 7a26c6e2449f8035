import type { Sri } from '../core/digest.ts';
import type { CodedSums } from './coding-task.ts';

/** A stretch of the source that is hashed by itself, and copied when it has a destination. */
export interface Piece {
  /** Bytes. */
  readonly length: number;
  readonly destination?: Destination;
}

/** Where a piece is written. */
export interface Destination {
  readonly path: string;
  /** Where in the file the piece begins, in bytes. */
  readonly offset: number;
  /** Whether the file is made (and must not exist), exists already, or is made in place of what lies there. */
  readonly create: boolean | 'anew';
  /** True where whoever asks has many such files synced together. */
  readonly unsynced?: boolean;
}

/** One sequential pass over a file, in a worker: read once, hash, and write what has a destination. */
export interface HashTask {
  readonly path: string;
  /** The size that the file must have, in bytes; a file that is shorter, longer or no regular file is refused. */
  readonly size: number;
  /** Where the first piece begins, in bytes. */
  readonly offset: number;
  readonly pieces: readonly Piece[];
  readonly hashes: readonly HashName[];
}

/** SHA-256 of all pieces together, SHA-512 of each, CRC-32 of each 4 MiB of each. */
export type HashName = 'sha256' | 'sha512' | 'crc32';

export interface PieceSums {
  readonly sha512: Sri;
  /** 8 hex digits for each 4 MiB. */
  readonly crc32: string;
}

/** What was asked for. */
export interface HashResult {
  /** 64 hex digits. */
  readonly sha256?: string;
  readonly pieces: readonly Partial<PieceSums>[];
}

/** The sums of a piece of which both were asked for. */
export function wholeSums({ sha512, crc32 }: Partial<PieceSums> = {}): PieceSums {
  if (sha512 === undefined || crc32 === undefined) throw new Error('a piece without sums');
  return { sha512, crc32 };
}

/** What a worker says back. `progress` counts bytes since the last message. */
export type WorkerMessage =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'result'; readonly result: HashResult | readonly CodedSums[] }
  | {
      readonly kind: 'failure';
      readonly message: string;
      readonly code: string;
      readonly path: string;
    };

/** A hash beside SHA-256, over a prefix and the bytes. */
export interface OtherHash {
  readonly algorithm: 'sha1';
  readonly prefix: string;
}

/** The SHA-512 and CRCs of a blob on a grid of parts. */
export interface BlobSums {
  /** Bytes; 0 for the whole blob. */
  readonly partSize: number;
  readonly parts: readonly PieceSums[];
}

/** Whose bytes these are: their SHA-256, and another hash where one is due. All in hex. */
export interface Identity {
  readonly sha256: string;
  readonly other?: string;
}

/** Which hashes a worker computes of a file while it grows. */
export type FollowKind = 'identity' | 'sums';

/** Goes on hashing a file up to an offset that it has reached; the first time from its beginning. */
export interface FollowTask {
  readonly follow: number;
  readonly kind: FollowKind;
  readonly path: string;
  readonly other?: OtherHash;
  /** One past the last byte to hash now. */
  readonly upTo: number;
  /** `finish` gives the hashes; `drop` forgets them. */
  readonly after: 'wait' | 'finish' | 'drop';
}

/** What a worker says of a {@link FollowTask}. */
export interface FollowAnswer {
  readonly follow: number;
  readonly kind: FollowKind;
  /** One past the last byte hashed, of a task that only goes on. */
  readonly done?: number;
  readonly identity?: Identity;
  readonly sums?: BlobSums;
  readonly failure?: { readonly code: string; readonly message: string };
}
