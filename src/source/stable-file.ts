import { createHash } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { interrupted, StowageError } from '../core/error.ts';
import { FILL_BYTES, retain, seal, takeBuffer } from '../net/buffer-pool.ts';
import { localFailure, wrongKind } from './local.ts';
import type { FileState, Origin } from './origin.ts';

/** How long after a change another write may leave the time of change as it is. */
const SETTLED_MS = 2000;

/** The state of a file, to tell later whether something wrote to it. @param now milliseconds since 1970 */
export function stateOf(status: BigIntStats, now: number): FileState {
  const settled = now - Number(status.ctimeMs) > SETTLED_MS;
  return { key: keyOf(status), settled };
}

function keyOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  const text = [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  return createHash('sha256').update(text).digest('hex');
}

export interface StableFile {
  /** When the file was listed; by default, when it is first opened. */
  readonly state?: FileState | undefined;
  /** A part of the file that is read as if it were all of it, in bytes. */
  readonly window?: { readonly offset: number; readonly size: number };
}

/** A local file that must not change while it is read, in whatever ranges. */
export function stableOrigin(path: string, { state, window }: StableFile = {}): Origin {
  const base = window?.offset ?? 0;
  let known = state?.key;
  const from = async (
    start: number,
    end: number | undefined,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> => {
    if (signal.aborted) throw interrupted(signal);
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const status = await handle.stat({ bigint: true });
      if (!status.isFile()) throw wrongKind(path, 'a regular file');
      known ??= keyOf(status);
      const reading = { handle, path, key: known };
      if (keyOf(status) !== known) throw changed(path);
      const last = end ?? window?.size ?? Number(status.size);
      return range(reading, base + start, base + last, signal);
    } catch (error) {
      await handle?.close();
      throw localFailure(path, error);
    }
  };
  return {
    description: path,
    open: (offset, signal) => from(offset, undefined, signal),
    part: async (start, end, signal) => ({
      from: start,
      to: end,
      body: await from(start, end, signal),
    }),
  };
}

interface Reading {
  readonly handle: FileHandle;
  readonly path: string;
  readonly key: string;
}

/** Bytes of an open file, which is closed at the end. */
async function* range(
  { handle, path, key }: Reading,
  start: number,
  end: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (let at = start; at < end; ) {
      if (signal.aborted) throw interrupted(signal);
      const buffer = takeBuffer();
      const length = Math.min(FILL_BYTES, end - at);
      const { bytesRead } = await handle.read(buffer, 0, length, at);
      if (bytesRead === 0) throw changed(path);
      const chunk = retain(buffer, 0, bytesRead);
      seal(buffer);
      yield chunk;
      at += bytesRead;
    }
    if (keyOf(await handle.stat({ bigint: true })) !== key) throw changed(path);
  } catch (error) {
    throw localFailure(path, error);
  } finally {
    await handle.close();
  }
}

function changed(path: string): StowageError {
  return new StowageError('source-mismatch', `${path} changed while it was read`, {
    expected: 'a file that no other program writes',
    found: 'another size, time of change or file',
    hint: 'wait until the program that writes it has finished, then run the same command again',
  });
}
