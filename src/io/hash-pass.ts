import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { sriFromHex } from '../core/digest.ts';
import { CRC_SPAN_BYTES, READ_BUFFER_BYTES } from '../core/limits.ts';
import type { HashResult, HashTask, Piece, PieceSums } from './hash-task.ts';

/** A failure of a pass, with the system's code (or `ESIZE`, `EKIND`, `ESHORT`) and the path it is about. */
export class PassError extends Error {
  readonly code: string;
  readonly path: string;
  constructor(code: string, path: string, message: string) {
    super(message);
    this.code = code;
    this.path = path;
  }
}

/**
 * Carries out a task on this thread with positioned reads into one reused buffer. What is written is the very
 * buffer that was hashed, so a source that changes between two reads cannot slip anything in.
 * @throws PassError
 */
export function runPass(
  task: HashTask,
  buffer: Buffer,
  progress: (bytes: number) => void,
): HashResult {
  const source = openSource(task);
  try {
    const whole = task.sha256 ? createHash('sha256') : undefined;
    const pieces: PieceSums[] = [];
    let offset = task.offset;
    for (const piece of task.pieces) {
      pieces.push(
        passPiece(task, source, offset, piece, buffer, (bytes) => {
          whole?.update(bytes);
          progress(bytes.length);
        }),
      );
      offset += piece.length;
    }
    return { sha256: whole?.digest('hex') ?? '', pieces };
  } finally {
    closeSync(source);
  }
}

/** The buffer that {@link runPass} wants: one CRC span. */
export function passBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
}

function openSource(task: HashTask): number {
  // O_NONBLOCK: opening a pipe that someone put in place of a part must not hang.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const source = attempt(task.path, () => openSync(task.path, flags));
  const status = fstatSync(source);
  if (status.isFile() && status.size === task.size) return source;
  closeSync(source);
  if (!status.isFile()) throw new PassError('EKIND', task.path, 'not a regular file');
  throw new PassError('ESIZE', task.path, `${status.size} bytes where ${task.size} belong`);
}

function passPiece(
  task: HashTask,
  source: number,
  start: number,
  piece: Piece,
  buffer: Buffer,
  each: (bytes: Buffer) => void,
): PieceSums {
  const sha512 = createHash('sha512');
  const { destination } = piece;
  const target =
    destination === undefined
      ? undefined
      : attempt(destination.path, () =>
          openSync(
            destination.path,
            destination.create ? 'wx' : constants.O_WRONLY | constants.O_NOFOLLOW,
            0o644,
          ),
        );
  let crcs = '';
  try {
    for (let done = 0; done < piece.length; ) {
      const want = Math.min(CRC_SPAN_BYTES, piece.length - done);
      const bytes = attempt(task.path, () => fill(source, buffer, want, start + done, task.path));
      sha512.update(bytes);
      if (task.crc32) crcs += crc32(bytes).toString(16).padStart(8, '0');
      if (target !== undefined && destination !== undefined) {
        attempt(destination.path, () => drain(target, bytes, destination.offset + done));
      }
      each(bytes);
      done += want;
    }
    if (target !== undefined && destination !== undefined) {
      attempt(destination.path, () => fsyncSync(target));
    }
  } finally {
    if (target !== undefined) closeSync(target);
  }
  return { sha512: sriFromHex(sha512.digest('hex')), crc32: crcs };
}

function fill(
  source: number,
  buffer: Buffer,
  want: number,
  position: number,
  path: string,
): Buffer {
  for (let filled = 0; filled < want; ) {
    const read = readSync(source, buffer, filled, want - filled, position + filled);
    if (read === 0) throw new PassError('ESHORT', path, `ends at byte ${position + filled}`);
    filled += read;
  }
  return buffer.subarray(0, want);
}

function drain(target: number, bytes: Buffer, position: number): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(target, bytes, written, bytes.length - written, position + written);
  }
}

function attempt<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PassError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'EUNKNOWN';
    throw new PassError(code, path, error instanceof Error ? error.message : String(error));
  }
}
