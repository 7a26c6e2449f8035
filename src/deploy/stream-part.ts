import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { sriFromHex, sriHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { CRC_SPAN_BYTES, READ_BUFFER_BYTES } from '../core/limits.ts';
import type { Bundle } from '../format/bundle.ts';
import type { Part } from '../format/part.ts';
import type { ByteSource } from '../io/byte-source.ts';
import { ioError } from '../io/file.ts';
import { type ByteRange, spotsInWords } from './damaged-spots.ts';
import type { PartDestination, PartFault } from './part-check.ts';
import { contentOf } from './part-content.ts';
import { streamEnded } from './stream-order.ts';

/** Where the spans of a stream are put: one is filled and hashed while the other is written. */
export class Spans {
  readonly #buffers: readonly [Buffer, Buffer] = [span(), span()];
  #turn = 0;

  next(length: number): Buffer {
    this.#turn = 1 - this.#turn;
    return (this.#buffers[this.#turn] ?? span()).subarray(0, length);
  }
}

function span(): Buffer {
  return Buffer.allocUnsafeSlow(CRC_SPAN_BYTES);
}

/**
 * Takes the bytes of a part from a stream, hashes them and, given a destination, writes them there, and fsyncs them
 * unless they are written loosely.
 * @returns what is wrong with it; undefined when it is as signed
 * @throws StowageError `stream-ended`, `space-insufficient`, `io-failed`, `interrupted`
 */
export async function streamPart(
  part: Part,
  source: ByteSource,
  spans: Spans,
  bundle: Bundle,
  destination: PartDestination | undefined,
  onBytes: (bytes: number) => void,
): Promise<PartFault | undefined> {
  const target = destination === undefined ? undefined : await Target.open(destination);
  const sha512 = createHash('sha512');
  const ranges: ByteRange[] = [];
  try {
    for (let offset = 0; offset < part.size; ) {
      const length = Math.min(CRC_SPAN_BYTES, part.size - offset);
      const bytes = spans.next(length);
      for (let filled = 0; filled < length; filled += READ_BUFFER_BYTES) {
        const step = bytes.subarray(filled, filled + READ_BUFFER_BYTES);
        if ((await source.fill(step)) < step.length) throw streamEnded(part.path, source.offset);
        sha512.update(step);
      }
      await target?.write(bytes, offset);
      const crc = crc32(bytes).toString(16).padStart(8, '0');
      const at = (offset / CRC_SPAN_BYTES) * 8;
      if (crc !== part.crc32.slice(at, at + 8)) ranges.push({ offset, length });
      onBytes(length);
      offset += length;
    }
    await target?.finish();
  } finally {
    await target?.close();
  }
  const found = sriFromHex(sha512.digest('hex'));
  if (found === part.sha512) return undefined;
  onBytes(-part.size);
  const count = Math.ceil(part.size / CRC_SPAN_BYTES);
  const spots = spotsInWords({ ranges, unreadable: 0, spans: count });
  const error = new StowageError(
    'part-damaged',
    `${part.path} is damaged in the stream: ${contentOf(bundle, part)}`,
    {
      expected: sriHex(part.sha512),
      found: spots,
      hint: 'stream the bundle again; if it stays so, stowage verify on the other side',
    },
  );
  return { part, folder: 'the stream', error, ranges, unreadable: false };
}

/** A stretch of a file, written while the next bytes are on their way. */
class Target {
  readonly #handle: FileHandle;
  readonly #place: PartDestination;
  #pending: Promise<unknown> = Promise.resolve();

  private constructor(handle: FileHandle, place: PartDestination) {
    this.#handle = handle;
    this.#place = place;
  }

  static async open(place: PartDestination): Promise<Target> {
    try {
      const anew = place.loose === true ? constants.O_CREAT | constants.O_TRUNC : 0;
      const flags = constants.O_WRONLY | constants.O_NOFOLLOW | anew;
      return new Target(await open(place.path, flags, 0o644), place);
    } catch (error) {
      throw ioError(error, place.path);
    }
  }

  /** Begins to write; waits for the write before. The bytes must stay as they are until the next call. */
  async write(bytes: Buffer, offset: number): Promise<void> {
    await this.#settle();
    this.#pending = this.#writeAll(bytes, this.#place.offset + offset);
    // Heard of at the next call.
    this.#pending.catch(() => {});
  }

  async finish(): Promise<void> {
    await this.#settle();
    if (this.#place.loose === true) return;
    this.#pending = this.#handle.sync();
    await this.#settle();
  }

  async close(): Promise<void> {
    await this.#pending.catch(() => {});
    await this.#handle.close();
  }

  async #settle(): Promise<void> {
    try {
      await this.#pending;
    } catch (error) {
      throw ioError(error, this.#place.path);
    }
  }

  async #writeAll(bytes: Buffer, position: number): Promise<void> {
    for (let written = 0; written < bytes.length; ) {
      const left = bytes.length - written;
      const { bytesWritten } = await this.#handle.write(bytes, written, left, position + written);
      written += bytesWritten;
    }
  }
}
