import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { GIB } from '../../core/limits.ts';
import { zstdFrames } from './zstd-frames.ts';

const GZIP = Buffer.from('1f8b', 'hex');
const ZSTD = Buffer.from('28b52ffd', 'hex');
const SKIPPABLE = /^5[0-9a-f]2a4d18/;
/** The limit of a layer's uncompressed size: this constant plus {@link MAX_RATIO} times its compressed size. */
const MAX_PLAIN_BYTES = GIB;
const MAX_RATIO = 100;
const READ_BYTES = 262_144;

/**
 * The tar of a layer, decompressed. The first bytes decide the format, as in engines, because media types can be wrong.
 * @throws Error if the layer is truncated, damaged, compressed twice, or exceeds the size limit
 */
export async function* layerBytes(
  path: string,
  size: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const most = MAX_PLAIN_BYTES + MAX_RATIO * size;
  let total = 0;
  let first = true;
  for await (const chunk of unpacked(path, signal)) {
    total += chunk.length;
    if (total > most) throw new Error(`decompresses to more than ${MAX_RATIO} times its size`);
    // The tar reader would decompress it again, without a limit.
    if (first && isPacked(chunk)) throw new Error('compressed twice');
    first = false;
    yield chunk;
  }
}

async function* unpacked(path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const packed = createReadStream(path, { highWaterMark: READ_BYTES, signal });
  const chunks = packed[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const { done, value: head } = await chunks.next();
  if (done === true) return;
  const all = again(head, chunks);
  if (head.subarray(0, 2).equals(GZIP)) yield* gunzip(all);
  else if (isZstd(head)) yield* zstdFrames(all);
  else yield* all;
}

async function* gunzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const plain = createGunzip({ chunkSize: READ_BYTES });
  pipeline(chunks, plain, () => {});
  yield* plain as AsyncIterable<Buffer>;
}

async function* again(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield head;
    for (let next = await rest.next(); next.done !== true; next = await rest.next())
      yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** Whether content is compressed with gzip or zstd, by its first bytes. */
export function isPacked(head: Buffer): boolean {
  return head.subarray(0, 2).equals(GZIP) || isZstd(head);
}

function isZstd(head: Buffer): boolean {
  return head.subarray(0, 4).equals(ZSTD) || SKIPPABLE.test(head.subarray(0, 4).toString('hex'));
}
