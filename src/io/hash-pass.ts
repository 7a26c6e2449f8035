import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { sriFromHex } from '../core/digest.ts';
import { CRC_SPAN_BYTES, READ_BUFFER_BYTES } from '../core/limits.ts';
import type { HashResult, HashTask, Piece, PieceSums } from './hash-task.ts';
import { attempt, fill, PassError } from './positioned.ts';
import { WrittenFile } from './written-file.ts';

/**
 * Carries out a task on this thread with positioned reads into one reused buffer. What is written is the very
 * buffer that was hashed, so a source that changes between two reads cannot slip anything in.
 * @throws PassError
 */
export async function runPass(
  task: HashTask,
  buffer: Buffer,
  progress: (bytes: number) => void,
): Promise<HashResult> {
  const source = openSource(task);
  try {
    const whole = task.sha256 ? createHash('sha256') : undefined;
    const pieces: PieceSums[] = [];
    let offset = task.offset;
    for (const piece of task.pieces) {
      pieces.push(
        await passPiece(task, source, offset, piece, buffer, (bytes) => {
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

/** The buffer that {@link runPass} wants. */
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

async function passPiece(
  task: HashTask,
  source: number,
  start: number,
  piece: Piece,
  buffer: Buffer,
  each: (bytes: Buffer) => void,
): Promise<PieceSums> {
  const sha512 = createHash('sha512');
  const { destination } = piece;
  const target = destination === undefined ? undefined : new WrittenFile(destination);
  let crcs = '';
  let crc = 0;
  try {
    for (let done = 0; done < piece.length; ) {
      const want = Math.min(buffer.length, piece.length - done);
      const bytes = fill(source, buffer, want, start + done, task.path);
      sha512.update(bytes);
      done += want;
      if (task.crc32) {
        crc = crc32(bytes, crc);
        if (done % CRC_SPAN_BYTES === 0 || done === piece.length) {
          crcs += crc.toString(16).padStart(8, '0');
          crc = 0;
        }
      }
      each(bytes);
      // Writes before it waits: between the hash and the write nothing else runs.
      await target?.write(bytes, done - want);
    }
    await target?.finish();
  } finally {
    await target?.close();
  }
  return { sha512: sriFromHex(sha512.digest('hex')), crc32: crcs };
}
