import type { Sri } from '../core/digest.ts';
import type { CodedSums } from './coding-task.ts';

/** A range of the source that is hashed separately, and copied if it has a destination. */
export interface Piece {
  /** Bytes. */
  readonly length: number;
  readonly destination?: Destination;
}

/** The destination of a piece. */
export interface Destination {
  readonly path: string;
  /** The offset of the piece in that file, in bytes. */
  readonly offset: number;
  /** Whether the file is created (and must not exist), exists, or replaces an existing one. */
  readonly create: boolean | 'anew';
  /** True if the caller syncs many such files together. */
  readonly unsynced?: boolean;
  /** Whether a new file for the whole source may share the blocks of the source, where the file system supports it. */
  readonly clone?: boolean;
}

/** Where a part is copied while it is checked. */
export interface PartDestination {
  readonly path: string;
  /** Bytes. */
  readonly offset: number;
  /** Whether its file is created anew and synced later in a batch. */
  readonly loose?: boolean;
}

/** How a part is written there. */
export function destinationOf({ path, offset, loose }: PartDestination): Destination {
  return loose === true
    ? { path, offset, create: 'anew', unsynced: true }
    : { path, offset, create: false };
}

/** One sequential pass over a file, in a worker: reads it once, hashes it, and writes pieces that have a destination. */
export interface HashTask {
  readonly path: string;
  /** The descriptor of a file that is open already; the path is only a name for messages then. */
  readonly descriptor?: number;
  /**
   * The size that the file must have, in bytes; any other size, and anything but a regular file, is refused. Not checked of a descriptor.
   */
  readonly size: number;
  /** The offset of the first piece, in bytes. */
  readonly offset: number;
  readonly pieces: readonly Piece[];
  readonly hashes: readonly HashName[];
  /** Whether what is not in the page cache is read past it: for a large file that is read once, as fast as its disk is. */
  readonly uncached?: boolean;
}

/** SHA-256 of all pieces together, SHA-512 of each, CRC-32 of each 4 MiB of each. */
export type HashName = 'sha256' | 'sha512' | 'crc32';

export interface PieceSums {
  readonly sha512: Sri;
  /** 8 hex digits for each 4 MiB. */
  readonly crc32: string;
}

/** The requested hashes. */
export interface HashResult {
  /** 64 hex digits. */
  readonly sha256?: string;
  readonly pieces: readonly Partial<PieceSums>[];
}

/** The sums of a piece for which both were requested. */
export function wholeSums({ sha512, crc32 }: Partial<PieceSums> = {}): PieceSums {
  if (sha512 === undefined || crc32 === undefined) throw new Error('a piece without sums');
  return { sha512, crc32 };
}

/** A message from a worker. `progress` counts bytes since the last message. */
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

/** The SHA-512 and CRCs of a blob, by part. */
export interface BlobSums {
  /** Part size in bytes; 0 for the whole blob. */
  readonly partSize: number;
  readonly parts: readonly PieceSums[];
}

/** The identity of bytes: their SHA-256, and another hash if one is required. In hex. */
export interface Identity {
  readonly sha256: string;
  readonly other?: string;
}

/** Which hashes a worker computes of a growing file: the identity, or the {@link PieceSums} of one range. */
export type FollowKind = 'identity' | 'sums';

/** Continues hashing a range of a file up to an offset. */
export interface FollowTask extends FollowStep {
  readonly follow: number;
  readonly kind: FollowKind;
  readonly path: string;
  /** Start of the range. */
  readonly from: number;
  readonly other?: OtherHash;
}

/** What to hash next, and whether it is the last. */
export interface FollowStep {
  /** End of the bytes to hash now. */
  readonly upTo: number;
  /** The last of these bytes, in shared memory; those before them are read from the file. */
  readonly bytes: Uint8Array;
  /** `finish` returns the hashes; `drop` discards them. */
  readonly after: 'wait' | 'finish' | 'drop';
}

/** Bytes of a file. */
export interface Stretch {
  readonly path: string;
  readonly position: number;
  readonly length: number;
}

/** Continues a SHA-512 with bytes in shared memory. */
export interface PassingTask {
  readonly follow: number;
  readonly bytes?: Uint8Array;
  /** Hashed after `bytes`. */
  readonly stretch?: Stretch;
  /** `finish` returns the hash; `drop` discards it. */
  readonly after: 'wait' | 'finish' | 'drop';
}

/** The answer of a worker to a {@link FollowTask} or a {@link PassingTask}. */
export interface FollowAnswer {
  readonly follow: number;
  readonly sha512?: Sri;
  readonly identity?: Identity;
  readonly sums?: PieceSums;
  readonly failure?: { readonly code: string; readonly message: string };
}
