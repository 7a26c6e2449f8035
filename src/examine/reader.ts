import { KIB } from '../core/limits.ts';
import type { Bytes } from './bytes.ts';

const WINDOW_BYTES = 64 * KIB;

/** Reads numbers, byte strings and lines in order; skipped bytes are not read. */
export class Reader {
  position: number;
  readonly size: number;
  /** Whether numbers are big-endian. */
  bigEndian = false;
  readonly #bytes: Bytes;
  readonly #ended: () => Error;
  #window: Buffer = Buffer.alloc(0);
  #start = 0;

  /** @param ended makes the error to throw when the content ends too early */
  constructor(bytes: Bytes, position: number, ended: () => Error) {
    this.#bytes = bytes;
    this.size = bytes.size;
    this.position = position;
    this.#ended = ended;
  }

  get left(): number {
    return this.size - this.position;
  }

  /** @param length limited by the caller, because that many bytes are held in memory */
  async take(length: number): Promise<Buffer> {
    let from = this.position - this.#start;
    if (from < 0 || from + length > this.#window.length) {
      if (length > this.left) throw this.#ended();
      this.#window = await this.#bytes.read(this.position, Math.max(length, WINDOW_BYTES));
      this.#start = this.position;
      from = 0;
      if (this.#window.length < length) throw this.#ended();
    }
    this.position += length;
    return this.#window.subarray(from, from + length);
  }

  skip(length: number): void {
    if (!(length >= 0 && length <= this.left)) throw this.#ended();
    this.position += length;
  }

  /** The bytes before the next line feed, which is consumed too; undefined if there is none within `max` bytes. */
  async line(max: number): Promise<Buffer | undefined> {
    const start = this.position;
    const chunk = await this.take(Math.min(max + 1, this.left));
    const end = chunk.indexOf(10);
    if (end < 0) {
      if (chunk.length <= max) throw this.#ended();
      return undefined;
    }
    this.position = start + end + 1;
    return chunk.subarray(0, end);
  }

  async u8(): Promise<number> {
    return (await this.take(1)).readUInt8();
  }

  async u16(): Promise<number> {
    const bytes = await this.take(2);
    return this.bigEndian ? bytes.readUInt16BE() : bytes.readUInt16LE();
  }

  async u32(): Promise<number> {
    const bytes = await this.take(4);
    return this.bigEndian ? bytes.readUInt32BE() : bytes.readUInt32LE();
  }

  async u64(): Promise<bigint> {
    const bytes = await this.take(8);
    return this.bigEndian ? bytes.readBigUInt64BE() : bytes.readBigUInt64LE();
  }
}
