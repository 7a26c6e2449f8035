import { crc32 } from 'node:zlib';
import { type ByteRange, spotsInWords } from '../../bundle/damaged-spots.ts';
import { contentOf, type PartFault } from '../../bundle/part-check.ts';
import { streamEnded } from '../../bundle/stream/stream-order.ts';
import { sriHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { CRC_SPAN_BYTES, READ_BUFFER_BYTES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import type { BufferRing } from '../../io/buffer-ring.ts';
import type { ByteSource } from '../../io/byte-source.ts';
import { ioError } from '../../io/file.ts';
import { type FollowPool, hashHere } from '../../io/follow-pool.ts';
import type { Destination, PartDestination, PieceSums } from '../../io/hash-task.ts';
import { PassError } from '../../io/positioned.ts';
import { WrittenFile } from '../../io/written-file.ts';

/** Smaller parts are hashed on this thread: another one would take longer to ask. */
const THREADED_FROM_BYTES: number = READ_BUFFER_BYTES;

export interface StreamCopy {
  readonly source: ByteSource;
  /** Each {@link CRC_SPAN_BYTES} long. */
  readonly blocks: BufferRing;
  readonly pool: FollowPool;
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
 * Reads a part from a stream into blocks; each is hashed and, given a destination, written, and then used again. A thread
 * hashes large parts, so that more can be read meanwhile, also of the next part.
 * @throws StowageError `stream-ended`, `space-insufficient`, `io-failed`, `interrupted`
 */
export async function copyFromStream(part: Part, copy: StreamCopy): Promise<StreamedPart> {
  const { source, blocks, destination, onBytes } = copy;
  const hash = part.size < THREADED_FROM_BYTES ? hashHere() : copy.pool.hash();
  let target: WrittenFile | undefined;
  let used: Promise<unknown> = Promise.resolve();
  let crcs = '';
  try {
    if (destination !== undefined) target = new WrittenFile(destinationOf(destination), part.size);
    for (let offset = 0; offset < part.size; ) {
      const length = Math.min(CRC_SPAN_BYTES, part.size - offset);
      const bytes = (await blocks.next()).subarray(0, length);
      let crc = 0;
      for (let filled = 0; filled < length; filled += READ_BUFFER_BYTES) {
        const step = bytes.subarray(filled, filled + READ_BUFFER_BYTES);
        if ((await source.fill(step)) < step.length) throw streamEnded(part.path, source.offset);
        // Computed while the bytes are in the core's cache.
        crc = crc32(step, crc);
      }
      crcs += crc.toString(16).padStart(8, '0');
      const use = Promise.all([hash.update(bytes), target?.write(bytes, offset)]);
      blocks.use(use);
      used = Promise.all([used, use]);
      used.catch(() => {});
      offset += length;
      onBytes(length);
    }
  } catch (error) {
    await hash.drop();
    await target?.close();
    throw error instanceof PassError ? ioError(error, error.path) : error;
  }
  const sums = async (): Promise<PieceSums> => {
    await used;
    return { sha512: await hash.finish(), crc32: crcs };
  };
  const checked = check(part, copy, sums(), target);
  // Awaited later.
  checked.catch(() => {});
  return { checked };
}

async function check(
  part: Part,
  { bundle, destination, onBytes, from }: StreamCopy,
  sums: Promise<PieceSums>,
  target: WrittenFile | undefined,
): Promise<PartFault | undefined> {
  try {
    const found = await sums;
    await target?.finish();
    if (found.sha512 === part.sha512) return undefined;
    onBytes(-part.size);
    return damagedInStream(part, found, bundle, from);
  } catch (error) {
    throw ioError(
      error,
      error instanceof PassError ? error.path : (destination?.path ?? part.path),
    );
  } finally {
    await target?.close();
  }
}

function damagedInStream(
  part: Part,
  found: PieceSums,
  bundle: Bundle,
  from = 'the stream',
): PartFault {
  const count = Math.ceil(part.size / CRC_SPAN_BYTES);
  const ranges = Array.from({ length: count }, (_, index): ByteRange[] => {
    const [at, offset] = [index * 8, index * CRC_SPAN_BYTES];
    if (found.crc32.slice(at, at + 8) === part.crc32.slice(at, at + 8)) return [];
    return [{ offset, length: Math.min(CRC_SPAN_BYTES, part.size - offset) }];
  }).flat();
  const error = new StowageError(
    'part-damaged',
    `${part.path} is damaged in ${from}: ${contentOf(bundle, part)}`,
    {
      expected: sriHex(part.sha512),
      found: spotsInWords({ ranges, unreadable: 0, spans: count }),
      hint:
        from === 'the stream'
          ? 'stream the bundle again; if it is damaged again, run stowage verify on the sending side'
          : 'run the same command again; if it is damaged again, check the storage of that host',
    },
  );
  return { part, folder: from, error, ranges, unreadable: false };
}

function destinationOf({ path, offset, loose }: PartDestination): Destination {
  return loose === true
    ? { path, offset, create: 'anew', unsynced: true }
    : { path, offset, create: false };
}
