import { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';

const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const RESERVED_BLOCK = 3;
const RLE_BLOCK = 1;
const PIECE_BYTES = 65_536;

/**
 * Decompresses every frame of a zstd stream (RFC 8878 section 3.1). Node's decompressor stops after the first frame, but
 * layers in the zstd:chunked format have one frame per file.
 * @throws Error if the stream is truncated or is not zstd
 */
export async function* zstdFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const input = new Input(chunks);
  for (let magic = await input.next(4); magic !== undefined; magic = await input.next(4)) {
    const number = magic.readUInt32LE(0);
    if (number === FRAME) {
      const frame = Readable.from(frameBytes(input, magic));
      const plain = createZstdDecompress();
      frame.on('error', (error) => plain.destroy(error));
      yield* frame.pipe(plain) as AsyncIterable<Buffer>;
    } else if ((number & 0xfffffff0) >>> 0 === SKIPPABLE) {
      for await (const _ of input.pieces((await input.take(4)).readUInt32LE(0)));
    } else throw new Error('not a zstd frame');
  }
}

async function* frameBytes(input: Input, magic: Buffer): AsyncGenerator<Buffer> {
  const descriptor = (await input.take(1)).readUInt8(0);
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const size = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  yield Buffer.concat([magic, Buffer.from([descriptor])]);
  yield* input.pieces((single ? 0 : 1) + dictionary + size);
  for (let last = false; !last; ) {
    const header = await input.take(3);
    const value = header.readUIntLE(0, 3);
    const type = (value >> 1) & 3;
    if (type === RESERVED_BLOCK) throw new Error('a reserved zstd block');
    last = (value & 1) === 1;
    yield header;
    yield* input.pieces(type === RLE_BLOCK ? 1 : value >> 3);
  }
  if ((descriptor & 4) !== 0) yield await input.take(4);
}

/** Reads an exact number of bytes from a stream. */
class Input {
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Exactly `length` bytes, or undefined at the end of the stream. */
  async next(length: number): Promise<Buffer | undefined> {
    while (this.#held.length < length) {
      const { done, value } = await this.#chunks.next();
      if (done === true) {
        if (this.#held.length === 0) return undefined;
        throw new Error('truncated');
      }
      this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value]);
    }
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return taken;
  }

  async take(length: number): Promise<Buffer> {
    const taken = length === 0 ? Buffer.alloc(0) : await this.next(length);
    if (taken === undefined) throw new Error('truncated');
    return taken;
  }

  async *pieces(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      const piece = await this.take(Math.min(left, PIECE_BYTES));
      left -= piece.length;
      yield piece;
    }
  }
}
