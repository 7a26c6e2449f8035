import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { crc32 } from 'node:zlib';
import { type Digest, digestFromHex, sriFromHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { CRC_SPAN_BYTES, DEFAULT_PART_BYTES, MAX_UNKNOWN_BYTES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import type { BlobSums, Identity, OtherHash, PieceSums } from './hash-task.ts';

/** What is known of a blob before it is received. */
export interface Expected {
  /** The name of the partial file: the digest's hex, or another identifier of the content. */
  readonly key: string;
  /** A name for messages: `model chat: tiny.gguf`. */
  readonly label?: string;
  /** Size in bytes; absent if the source does not announce it. */
  readonly size?: number;
  readonly digest?: Digest;
  /** Whether bytes of an earlier attempt can be reused; true by default. */
  readonly resume?: boolean;
  /** Another hash that the bytes must have. */
  readonly check?: OtherHash & { readonly expected: string; readonly name: string };
}

/** Computes an {@link Identity}. */
export class IdentityHash {
  readonly #sha256 = createHash('sha256');
  readonly #other: ReturnType<typeof createHash> | undefined;

  constructor(other?: OtherHash) {
    this.#other = other && createHash(other.algorithm).update(other.prefix);
  }

  update(chunk: Uint8Array): void {
    this.#sha256.update(chunk);
    this.#other?.update(chunk);
  }

  finish(): Identity {
    const sha256 = this.#sha256.digest('hex');
    return { sha256, ...(this.#other && { other: this.#other.digest('hex') }) };
  }
}

/** Computes {@link BlobSums}. */
export class SumsHash {
  readonly #partSize: number;
  #bytes = 0;
  readonly #parts: PieceSums[] = [];
  #sha512 = createHash('sha512');
  #crcs = '';
  #crc = 0;

  /** @param partSize bytes; 0 for the whole blob */
  constructor(partSize: number) {
    this.#partSize = partSize;
  }

  update(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.byteLength; ) {
      const untilSpan = CRC_SPAN_BYTES - (this.#bytes % CRC_SPAN_BYTES);
      const slice = chunk.subarray(from, from + untilSpan);
      this.#sha512.update(slice);
      this.#crc = crc32(slice, this.#crc);
      this.#bytes += slice.byteLength;
      from += slice.byteLength;
      if (this.#bytes % CRC_SPAN_BYTES === 0) this.#endSpan();
      if (this.#partSize > 0 && this.#bytes % this.#partSize === 0) this.#endPart();
    }
  }

  finish(): BlobSums {
    if (this.#bytes % CRC_SPAN_BYTES !== 0) this.#endSpan();
    const isPartOpen = this.#partSize === 0 || this.#bytes % this.#partSize !== 0;
    if (isPartOpen || this.#bytes === 0) this.#endPart();
    return { partSize: this.#partSize, parts: this.#parts };
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

/** Computes all hashes of a blob, one buffer at a time. */
export class RunningHashes {
  bytes = 0;
  readonly #expected: Expected;
  readonly #identity: IdentityHash;
  readonly #sums: SumsHash;

  /** @param partSize of the sums, in bytes; 0 for the whole blob */
  constructor(expected: Expected, partSize: number = DEFAULT_PART_BYTES) {
    this.#expected = expected;
    this.#sums = new SumsHash(partSize);
    this.#identity = new IdentityHash(expected.check);
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
    this.#identity.update(chunk);
    this.#sums.update(chunk);
    this.bytes += chunk.byteLength;
  }

  /** @throws StowageError `source-mismatch` */
  finish(): Digest {
    return checkIdentity(this.#expected, this.#identity.finish(), this.bytes);
  }

  sums(): BlobSums {
    return this.#sums.finish();
  }
}

/** Checks an identity. @returns the digest of the blob @throws StowageError `source-mismatch` */
export function checkIdentity(expected: Expected, found: Identity, bytes: number): Digest {
  const { size, digest, check } = expected;
  if (bytes > (size ?? MAX_UNKNOWN_BYTES) || (size !== undefined && bytes < size)) {
    const wanted = size === undefined ? `at most ${MAX_UNKNOWN_BYTES}` : `${size}`;
    throw mismatch(expected, `${wanted} bytes`, `${counted(bytes, 'byte')} or more`);
  }
  const sha256 = digestFromHex(found.sha256);
  if (digest !== undefined && digest !== sha256) throw mismatch(expected, digest, sha256);
  if (check !== undefined && found.other !== check.expected) {
    const { name } = check;
    throw mismatch(expected, `${name} ${check.expected}`, `${name} ${found.other}`);
  }
  return sha256;
}

function mismatch(expected: Expected, wanted: string, found: string): StowageError {
  return new StowageError(
    'source-mismatch',
    `the content of ${expected.label ?? expected.key} is not what was expected`,
    {
      expected: wanted,
      found,
      hint: 'try again; if it still fails, the source changed or a proxy alters the data',
    },
  );
}
