import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { crc32 } from 'node:zlib';
import { type Digest, digestFromHex, sriFromHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { CRC_SPAN_BYTES, DEFAULT_PART_BYTES, MAX_UNKNOWN_BYTES } from '../core/limits.ts';
import type { PieceSums } from './hash-task.ts';

/** What is known of bytes before they arrive. */
export interface Expected {
  /** A name for the unfinished file: the digest's hex, or whatever else tells these bytes from others. */
  readonly key: string;
  /** What these bytes are, for messages: `model chat: tiny.gguf`. */
  readonly label?: string;
  /** Bytes; absent when only the source's end tells. */
  readonly size?: number;
  readonly digest?: Digest;
  /** Whether bytes left by an earlier attempt can be the beginning of these; true unless said otherwise. */
  readonly resume?: boolean;
  /** Another hash that the bytes must have, fed with all of them. */
  readonly check?: { readonly hash: Hash; readonly expected: string; readonly name: string };
}

/** The SHA-512 and CRCs of a blob on the default grid of parts, noted while it was pulled. */
export interface BlobSums {
  readonly partSize: number;
  readonly parts: readonly PieceSums[];
}

/** Every hash that a blob needs, on one buffer at a time. */
export class RunningHashes {
  bytes = 0;
  readonly #expected: Expected;
  readonly #sha256 = createHash('sha256');
  readonly #parts: PieceSums[] = [];
  #sha512 = createHash('sha512');
  #crcs = '';
  #crc = 0;

  constructor(expected: Expected) {
    this.#expected = expected;
  }

  async replay(path: string, size: number): Promise<void> {
    if (size === 0) return;
    for await (const chunk of createReadStream(path, {
      end: size - 1,
      highWaterMark: CRC_SPAN_BYTES,
    })) {
      this.update(chunk as Buffer);
    }
  }

  update(chunk: Uint8Array): void {
    this.#sha256.update(chunk);
    this.#expected.check?.hash.update(chunk);
    for (let from = 0; from < chunk.byteLength; ) {
      const untilSpan = CRC_SPAN_BYTES - (this.bytes % CRC_SPAN_BYTES);
      const slice = chunk.subarray(from, from + untilSpan);
      this.#sha512.update(slice);
      this.#crc = crc32(slice, this.#crc);
      this.bytes += slice.byteLength;
      from += slice.byteLength;
      if (this.bytes % CRC_SPAN_BYTES === 0) this.#endSpan();
      if (this.bytes % DEFAULT_PART_BYTES === 0) this.#endPart();
    }
  }

  /** @throws StowageError `source-mismatch` */
  finish(): Digest {
    const { size, digest, check } = this.#expected;
    if (this.bytes > (size ?? MAX_UNKNOWN_BYTES) || (size !== undefined && this.bytes < size)) {
      const wanted = size === undefined ? `at most ${MAX_UNKNOWN_BYTES}` : `${size}`;
      throw mismatch(this.#expected, `${wanted} bytes`, `${this.bytes} bytes or more`);
    }
    const found = digestFromHex(this.#sha256.digest('hex'));
    if (digest !== undefined && digest !== found) throw mismatch(this.#expected, digest, found);
    if (check !== undefined) {
      const hex = check.hash.digest('hex');
      if (hex !== check.expected) {
        throw mismatch(this.#expected, `${check.name} ${check.expected}`, `${check.name} ${hex}`);
      }
    }
    if (this.bytes % CRC_SPAN_BYTES !== 0) this.#endSpan();
    if (this.bytes % DEFAULT_PART_BYTES !== 0 || this.bytes === 0) this.#endPart();
    return found;
  }

  sums(): BlobSums {
    return { partSize: DEFAULT_PART_BYTES, parts: this.#parts };
  }

  #endSpan(): void {
    this.#crcs += this.#crc.toString(16).padStart(8, '0');
    this.#crc = 0;
  }

  #endPart(): void {
    this.#parts.push({ sha512: sriFromHex(this.#sha512.digest('hex')), crc32: this.#crcs });
    this.#sha512 = createHash('sha512');
    this.#crcs = '';
  }
}

function mismatch(expected: Expected, wanted: string, found: string): StowageError {
  return new StowageError(
    'source-mismatch',
    `what was served for ${expected.label ?? expected.key} is not what was asked for`,
    {
      expected: wanted,
      found,
      hint: 'try again; if it stays so, the source changed or something between alters what it serves',
    },
  );
}
