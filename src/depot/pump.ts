import { read } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { KIB, MIB } from '../core/limits.ts';
import { turnToContinue } from './event-loop-turns.ts';

/** Bytes of all buffers that are larger than the smallest size. */
const BUDGET_BYTES: number = 32 * MIB;
const LARGEST_BYTES: number = 256 * KIB;
const SMALLEST_BYTES: number = 16 * KIB;
/** An answer is long when it sent this. */
const SHORT_BYTES: number = 64 * KIB;

let taken = 0;
let inProgress = 0;
const spare: Buffer[] = [];
const MAX_SPARE = 64;

/**
 * Writes bytes `first` to `last` of an open file to a response, through two alternating buffers: one is filled while the
 * kernel reads the other, so that memory is bounded however slowly a client reads. Node has no `sendfile`, so the bytes
 * are copied into the process and out of it.
 * @throws Error if the file became shorter, the disk fails, or the client disconnected
 */
export async function pump(
  handle: FileHandle,
  response: ServerResponse,
  first: number,
  last: number,
): Promise<void> {
  const size = bufferBytes(taken, last - first + 1);
  taken += 2 * size;
  inProgress += 1;
  const buffers = [take(size), take(size)] as const;
  const written: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()];
  try {
    for (let position = first, turn: 0 | 1 = 0; position <= last; turn = turn === 0 ? 1 : 0) {
      await written[turn];
      if (position - first >= SHORT_BYTES) await turnToContinue(inProgress);
      const buffer = buffers[turn];
      const wanted = Math.min(buffer.length, last - position + 1);
      const bytes = await readAt(handle.fd, buffer, wanted, position);
      if (bytes === 0) throw new Error('a stored blob became shorter');
      position += bytes;
      written[turn] = write(response, buffer.subarray(0, bytes));
      // Awaited later; until then a failure must not be an unhandled rejection.
      written[turn].catch(() => {});
    }
    await Promise.all(written);
    // Not after a failure: the kernel may still use a buffer, and another response must not write into it.
    for (const each of buffers)
      if (each.length === LARGEST_BYTES && spare.length < MAX_SPARE) spare.push(each);
  } finally {
    taken -= 2 * size;
    inProgress -= 1;
  }
}

/** Writes bytes, and waits until they left the process. @throws Error if the client disconnected */
export function write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (response.destroyed) return reject(gone());
    const onClose = (): void => reject(gone());
    response.once('close', onClose);
    response.write(bytes, (error) => {
      response.off('close', onClose);
      if (error) reject(error);
      else resolve();
    });
  });
}

/**
 * The size of each of two buffers, if other responses have `others` bytes: a 64th of what is left, so that they never
 * exceed the budget except by the smallest size.
 */
export function bufferBytes(others: number, wanted: number): number {
  const share = Math.floor((BUDGET_BYTES - others) / 64);
  const most = Math.min(LARGEST_BYTES, Math.max(SMALLEST_BYTES, share));
  return Math.max(1, Math.min(most, wanted));
}

function take(size: number): Buffer {
  return (size === LARGEST_BYTES ? spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
}

function readAt(fd: number, buffer: Buffer, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, length, position, (error, bytes) => {
      if (error) reject(error);
      else resolve(bytes);
    });
  });
}

function gone(): Error {
  return new Error('the client disconnected');
}
