import { fstatSync } from 'node:fs';
import { damagedSpots, spotsInWords } from '../../bundle/damaged-spots.ts';
import { contentOf, type PartFault } from '../../bundle/part-check.ts';
import { streamEnded } from '../../bundle/stream/stream-order.ts';
import { type Sri, sriHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { CRC_SPAN_BYTES, READ_BUFFER_BYTES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import type { BufferRing } from '../../io/buffer-ring.ts';
import type { ByteSource } from '../../io/byte-source.ts';
import { ioError } from '../../io/file.ts';
import { type FollowPool, hashHere } from '../../io/follow-pool.ts';
import { destinationOf, type HashTask, type PartDestination } from '../../io/hash-task.ts';
import type { HashPool } from '../../io/hashing.ts';
import { PassError } from '../../io/positioned.ts';
import { TrailingHash } from '../../io/trailing-hash.ts';
import { WrittenFile } from '../../io/written-file.ts';

/** Smaller parts are hashed on this thread: another one would take longer to ask. */
const THREADED_FROM_BYTES: number = READ_BUFFER_BYTES;
/** The name of the file in messages. */
const STDIN = 'stdin';

export interface StreamCopy {
  readonly source: ByteSource;
  /** Each {@link CRC_SPAN_BYTES} long. */
  readonly blocks: BufferRing;
  readonly pool: FollowPool;
  /** Reads large parts of a stream that is a file, several at once; absent for any other stream. */
  readonly passes?: HashPool;
  readonly bundle: Bundle;
  /** Absent for a part that is only hashed. */
  readonly destination?: PartDestination;
  readonly onBytes: (bytes: number) => void;
  /** The host that the bytes come from; absent for a pipe. */
  readonly from?: string;
}

/** A part that was read from a stream and may still be hashed. */
export interface StreamedPart {
  /**
   * What is wrong with it; undefined when it is as signed and, given a destination, fsynced there, unless it is to be
   * synced with others. Rejects with StowageError `space-insufficient` or `io-failed`.
   */
  readonly checked: Promise<PartFault | undefined>;
}

/**
 * Reads a part from a stream. Of a stream that is a file, threads read several large parts at once.
 * @throws StowageError `stream-ended`, `space-insufficient`, `io-failed`, `interrupted`
 */
export async function copyFromStream(part: Part, copy: StreamCopy): Promise<StreamedPart> {
  const { source, passes } = copy;
  const { file: descriptor } = source;
  if (passes !== undefined && descriptor !== undefined && part.size >= THREADED_FROM_BYTES) {
    const start = source.offset;
    const offset = source.skip(part.size);
    if (offset !== undefined)
      return checkedLater(copyInPass(part, { ...copy, passes }, { descriptor, offset, start }));
  }
  return await copyInOrder(part, copy);
}

/** Where a part is in a file, and in the stream that the file has. */
interface PartInFile {
  readonly descriptor: number;
  readonly offset: number;
  readonly start: number;
}

async function copyInPass(
  part: Part,
  copy: StreamCopy & Required<Pick<StreamCopy, 'passes'>>,
  { descriptor, offset, start }: PartInFile,
): Promise<PartFault | undefined> {
  const destination = copy.destination && { destination: destinationOf(copy.destination) };
  const pieces = [{ length: part.size, ...destination }];
  const task: HashTask = {
    ...{ path: STDIN, descriptor, size: part.size, offset },
    ...{ pieces, hashes: ['sha512'] },
  };
  // What a medium cannot read is not in the destination.
  const seen = { file: descriptor, offset };
  try {
    const [found] = (await copy.passes.run(task, copy.onBytes)).pieces;
    return await compare(part, copy, { sha512: found?.sha512, seen });
  } catch (error) {
    if (!(error instanceof PassError)) throw error;
    if (error.path !== STDIN) throw ioError(error, error.path);
    // It became shorter meanwhile.
    if (error.code === 'ESHORT')
      throw streamEnded(part.path, start + fstatSync(descriptor).size - offset);
    return await damagedInStream(part, copy, { code: error.code, seen });
  }
}

/**
 * Reads a part into blocks; each is hashed and, given a destination, written, and then used again. A thread
 * hashes large parts, so that more can be read meanwhile, also of the next part.
 * @throws StowageError `stream-ended`, `space-insufficient`, `io-failed`, `interrupted`
 */
async function copyInOrder(part: Part, copy: StreamCopy): Promise<StreamedPart> {
  const { source, blocks, destination, onBytes } = copy;
  const threaded = part.size >= THREADED_FROM_BYTES;
  const hash = new TrailingHash(threaded ? copy.pool.hash() : hashHere(), destination);
  let target: WrittenFile | undefined;
  try {
    if (destination !== undefined) target = new WrittenFile(destinationOf(destination), part.size);
    for (let offset = 0; offset < part.size; ) {
      const length = Math.min(CRC_SPAN_BYTES, part.size - offset);
      const bytes = (await blocks.next()).subarray(0, length);
      if ((await source.fill(bytes)) < length) throw streamEnded(part.path, source.offset);
      blocks.use(hash.add(bytes, target?.write(bytes, offset)));
      offset += length;
      onBytes(length);
    }
  } catch (error) {
    await hash.drop();
    await target?.close();
    throw error instanceof PassError ? ioError(error, error.path) : error;
  }
  return checkedLater(check(part, copy, hash.finish(), target));
}

function checkedLater(checked: Promise<PartFault | undefined>): StreamedPart {
  // Awaited later.
  checked.catch(() => {});
  return { checked };
}

async function check(
  part: Part,
  copy: StreamCopy,
  hashed: Promise<Sri>,
  target: WrittenFile | undefined,
): Promise<PartFault | undefined> {
  try {
    const found = await hashed;
    await target?.finish();
    // What was written is what was hashed.
    const { destination } = copy;
    const seen = destination && { file: destination.path, offset: destination.offset };
    return await compare(part, copy, { sha512: found, seen });
  } catch (error) {
    throw ioError(
      error,
      error instanceof PassError ? error.path : (copy.destination?.path ?? part.path),
    );
  } finally {
    await target?.close();
  }
}

/** What was read of a part: its digest, or the system's code if it could not be read to its end. */
interface Found {
  readonly sha512?: Sri | undefined;
  readonly code?: string;
  /** Where the bytes that were hashed can be looked at again; undefined if nowhere. */
  readonly seen: { readonly file: string | number; readonly offset: number } | undefined;
}

async function compare(part: Part, copy: StreamCopy, found: Found): Promise<PartFault | undefined> {
  if (found.sha512 === part.sha512) return undefined;
  copy.onBytes(-part.size);
  return await damagedInStream(part, copy, found);
}

async function damagedInStream(
  part: Part,
  { bundle, from = 'the stream' }: StreamCopy,
  { sha512, code, seen }: Found,
): Promise<PartFault> {
  const spots = seen && (await damagedSpots(seen.file, part, seen.offset));
  const digest = sha512 === undefined ? 'nothing' : sriHex(sha512);
  const found = spots === undefined ? digest : spotsInWords(spots);
  const error = new StowageError(
    'part-damaged',
    `${part.path} is damaged in ${from}: ${contentOf(bundle, part)}`,
    {
      expected: code === undefined ? sriHex(part.sha512) : 'a readable medium',
      found: code === undefined ? found : `${found} (${code})`,
      hint: hintFor(from, code),
    },
  );
  const ranges = spots?.ranges ?? [{ offset: 0, length: part.size }];
  return { part, folder: from, error, ranges, unreadable: false };
}

function hintFor(from: string, code: string | undefined): string {
  if (from !== 'the stream')
    return 'run the same command again; if it is damaged again, check the storage of that host';
  return code === undefined
    ? 'stream the bundle again; if it is damaged again, run stowage verify on the sending side'
    : 'try another drive, or stream the bundle again to another medium; finished parts are kept';
}
