import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { sriFromHex } from '../core/digest.ts';
import { CRC_SPAN_BYTES, MIB, READ_BUFFER_BYTES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { BufferRing } from './buffer-ring.ts';
import { ColdReads } from './cold-reads.ts';
import type { HashResult, HashTask, Piece, PieceSums } from './hash-task.ts';
import { attempt, fill, PassError } from './positioned.ts';
import { ClonedFile, WrittenFile } from './written-file.ts';

/** One buffer is written while the next is read and hashed. */
const BUFFERS = 2;
/** Size of a direct write: large, because each waits for the disk. Divides a CRC span. */
const DIRECT_BUFFER_BYTES: number = 2 * MIB;

/**
 * Runs a task on this thread with positioned reads into a few reused buffers. The buffer that was hashed is the one that
 * is written, so a source that changes between two reads cannot insert unverified bytes. A clone is what is hashed.
 * @throws PassError
 */
export async function runPass(
  task: HashTask,
  buffers: BufferRing,
  progress: (bytes: number) => void,
): Promise<HashResult> {
  const source = openSource(task);
  try {
    const whole = task.hashes.includes('sha256') ? createHash('sha256') : undefined;
    const pieces: Partial<PieceSums>[] = [];
    let offset = task.offset;
    for (const piece of task.pieces) {
      pieces.push(
        await passPiece({ task, source, start: offset }, piece, buffers, (bytes) => {
          whole?.update(bytes);
          progress(bytes.length);
        }),
      );
      offset += piece.length;
    }
    return { ...(whole === undefined ? {} : { sha256: whole.digest('hex') }), pieces };
  } finally {
    if (source !== task.descriptor) closeSync(source);
  }
}

/** The buffers for {@link runPass}; one pass at a time. */
export function passBuffers(): BufferRing {
  return new BufferRing(BUFFERS, DIRECT_BUFFER_BYTES);
}

function openSource(task: HashTask): number {
  // The caller checked it; if it is shorter now, the read fails where it ends.
  if (task.descriptor !== undefined) return task.descriptor;
  // O_NONBLOCK: opening a pipe in place of a part must not hang.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const source = attempt(task.path, () => openSync(task.path, flags));
  const status = fstatSync(source);
  if (status.isFile() && status.size === task.size) return source;
  closeSync(source);
  if (!status.isFile()) throw new PassError('EKIND', task.path, 'not a regular file');
  throw new PassError(
    'ESIZE',
    task.path,
    `${counted(status.size, 'byte')} instead of ${task.size}`,
  );
}

/** An open source, and the offset of the next piece in it. */
interface PassPosition {
  readonly task: HashTask;
  readonly source: number;
  readonly start: number;
}

async function passPiece(
  { task, source, start }: PassPosition,
  piece: Piece,
  buffers: BufferRing,
  each: (bytes: Buffer) => void,
): Promise<Partial<PieceSums>> {
  const sha512 = task.hashes.includes('sha512') ? createHash('sha512') : undefined;
  const hasCrc = task.hashes.includes('crc32');
  const { destination } = piece;
  const clone =
    destination?.clone === true &&
    task.descriptor === undefined &&
    start === 0 &&
    piece.length === task.size
      ? ClonedFile.make(source, destination)
      : undefined;
  const target =
    destination === undefined || clone !== undefined
      ? undefined
      : new WrittenFile(destination, piece.length);
  const stride = target?.isDirect === true ? buffers.size : READ_BUFFER_BYTES;
  const from = { source: clone?.file ?? source, path: task.path };
  // For one that is written past the cache: it is large.
  const cold =
    task.uncached === true && target?.isDirect === true ? new ColdReads(from) : undefined;
  let crcs = '';
  let crc = 0;
  try {
    for (let done = 0; done < piece.length; ) {
      const want = Math.min(stride, piece.length - done);
      const buffer = await buffers.next();
      const position = start + done;
      const bytes = cold?.fill(buffer, want, position) ?? fill(buffer, want, { ...from, position });
      sha512?.update(bytes);
      done += want;
      if (hasCrc) {
        crc = crc32(bytes, crc);
        if (done % CRC_SPAN_BYTES === 0 || done === piece.length) {
          crcs += crc.toString(16).padStart(8, '0');
          crc = 0;
        }
      }
      each(bytes);
      // The buffer is not reused before it was written.
      if (target !== undefined) buffers.use(target.write(bytes, done - want));
    }
    await buffers.settle();
    await target?.finish();
    clone?.finish();
  } finally {
    await buffers.quiet();
    await target?.close();
    cold?.close();
    clone?.close();
  }
  return {
    ...(sha512 === undefined ? {} : { sha512: sriFromHex(sha512.digest('hex')) }),
    ...(hasCrc ? { crc32: crcs } : {}),
  };
}
