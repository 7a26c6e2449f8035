import {
  constants,
  createGunzip,
  createInflate,
  createZstdDecompress,
  type Gunzip,
  type Inflate,
  type ZstdDecompress,
} from 'node:zlib';
import { MIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { type Bytes, memoryBytes, RuleBroken } from './bytes.ts';

/** Limit of the decompressed size, in memory. */
const MAX_UNPACKED_BYTES = 64 * MIB;
/** A higher compression ratio counts as a decompression bomb. */
const MAX_RATIO = 200;
const CHUNK_BYTES = 64 * 1024;

export type Compression = 'gzip' | 'zlib' | 'zstd';

/**
 * Decompresses content into memory.
 * @throws RuleBroken `archive-bomb`, `archive-too-large`, `archive-cut`
 */
export async function decompress(bytes: Bytes, by: Compression): Promise<Bytes> {
  const stream = open(by);
  const chunks: Buffer[] = [];
  let packed = 0;
  let unpacked = 0;
  const feed = async function* (): AsyncGenerator<Buffer> {
    for (; packed < bytes.size; ) {
      const chunk = await bytes.read(packed, CHUNK_BYTES);
      if (chunk.length === 0) return;
      packed += chunk.length;
      yield chunk;
    }
  };
  try {
    for await (const chunk of pump(stream, feed())) {
      unpacked += chunk.length;
      if (unpacked > MIB && unpacked > packed * MAX_RATIO)
        throw new RuleBroken(
          'archive-bomb',
          `${counted(packed, 'byte')} that decompress to more than ${unpacked}`,
        );
      if (unpacked > MAX_UNPACKED_BYTES)
        throw new RuleBroken(
          'archive-too-large',
          `it decompresses to more than ${MAX_UNPACKED_BYTES} bytes`,
        );
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof RuleBroken) throw error;
    throw new RuleBroken('archive-cut', `${by} data that is truncated or damaged`);
  } finally {
    stream.destroy();
  }
  return memoryBytes(Buffer.concat(chunks));
}

function open(by: Compression): Gunzip | Inflate | ZstdDecompress {
  if (by === 'gzip') return createGunzip();
  if (by === 'zlib') return createInflate();
  return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 26 } });
}

async function* pump(
  stream: Gunzip | Inflate | ZstdDecompress,
  input: AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer> {
  let failure: unknown;
  let wake = (): void => {};
  for (const event of ['drain', 'close']) stream.on(event, () => wake());
  const write = async (): Promise<void> => {
    for await (const chunk of input) {
      if (stream.destroyed) return;
      if (!stream.write(chunk))
        await new Promise<void>((done) => {
          wake = done;
        });
    }
    stream.end();
  };
  const writing = write().catch((error: unknown) => {
    failure = error;
    stream.destroy();
  });
  for await (const chunk of stream) yield chunk as Buffer;
  await writing;
  if (failure !== undefined) throw failure;
}
