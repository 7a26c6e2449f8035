import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { GIB } from '../../core/limits.ts';
import { zstdFrames } from './zstd-frames.ts';

const GZIP = Buffer.from('1f8b', 'hex');
const ZSTD = Buffer.from('28b52ffd', 'hex');
const SKIPPABLE = /^5[0-9a-f]2a4d18/;
/** What a layer may unpack to: this much, and so many times its size. */
const MAX_PLAIN_BYTES = GIB;
const MAX_RATIO = 100;
const READ_BYTES = 262_144;

/**
 * A layer's tar, unpacked as its first bytes say (media types lie; engines look at the bytes too).
 * @throws Error for what is cut short, damaged, packed twice, or unpacks to far more than layers do
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
    if (total > most) throw new Error(`unpacks to more than ${MAX_RATIO} times its size`);
    // The reader of the tar would unpack it again, without a ceiling.
    if (first && isPacked(chunk)) throw new Error('packed twice');
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

function isPacked(head: Buffer): boolean {
  return head.subarray(0, 2).equals(GZIP) || isZstd(head);
}

function isZstd(head: Buffer): boolean {
  return head.subarray(0, 4).equals(ZSTD) || SKIPPABLE.test(head.subarray(0, 4).toString('hex'));
}
