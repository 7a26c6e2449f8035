import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type ByteRange, spotsInWords } from '../../bundle/damaged-spots.ts';
import type { PartFault } from '../../bundle/part-check.ts';
import { contentOf } from '../../bundle/part-check.ts';
import { streamEnded } from '../../bundle/stream/stream-order.ts';
import { sriFromHex, sriHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { CRC_SPAN_BYTES, READ_BUFFER_BYTES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { BufferRing } from '../../io/buffer-ring.ts';
import type { ByteSource } from '../../io/byte-source.ts';
import { ioError } from '../../io/file.ts';
import type { Destination, PartDestination } from '../../io/hash-task.ts';
import { PassError } from '../../io/positioned.ts';
import { WrittenFile } from '../../io/written-file.ts';

/** Buffers for the spans of a stream: one is filled and hashed while the other is written. */
export function spanBuffers(): BufferRing {
  return new BufferRing(2, CRC_SPAN_BYTES);
}

export interface StreamCopy {
  readonly source: ByteSource;
  readonly spans: BufferRing;
  readonly bundle: Bundle;
  /** Absent for a part that is only hashed. */
  readonly destination?: PartDestination;
  readonly onBytes: (bytes: number) => void;
}

/**
 * Reads a part from a stream, hashes it and, given a destination, writes it there and fsyncs it, unless it is to be
 * synced with others.
 * @returns what is wrong with it; undefined when it is as signed
 * @throws StowageError `stream-ended`, `space-insufficient`, `io-failed`, `interrupted`
 */
export async function copyFromStream(
  part: Part,
  { source, spans, bundle, destination, onBytes }: StreamCopy,
): Promise<PartFault | undefined> {
  const sha512 = createHash('sha512');
  const ranges: ByteRange[] = [];
  let target: WrittenFile | undefined;
  try {
    if (destination !== undefined) target = new WrittenFile(destinationOf(destination), part.size);
    for (let offset = 0; offset < part.size; ) {
      const length = Math.min(CRC_SPAN_BYTES, part.size - offset);
      const bytes = (await spans.next()).subarray(0, length);
      for (let filled = 0; filled < length; filled += READ_BUFFER_BYTES) {
        const step = bytes.subarray(filled, filled + READ_BUFFER_BYTES);
        if ((await source.fill(step)) < step.length) throw streamEnded(part.path, source.offset);
        sha512.update(step);
      }
      if (target !== undefined) spans.use(target.write(bytes, offset));
      const crc = crc32(bytes).toString(16).padStart(8, '0');
      const at = (offset / CRC_SPAN_BYTES) * 8;
      if (crc !== part.crc32.slice(at, at + 8)) ranges.push({ offset, length });
      onBytes(length);
      offset += length;
    }
    await spans.settle();
    await target?.finish();
  } catch (error) {
    throw error instanceof PassError ? ioError(error, error.path) : error;
  } finally {
    await spans.quiet();
    await target?.close();
  }
  const found = sriFromHex(sha512.digest('hex'));
  if (found === part.sha512) return undefined;
  onBytes(-part.size);
  const count = Math.ceil(part.size / CRC_SPAN_BYTES);
  const spots = spotsInWords({ ranges, unreadable: 0, spans: count });
  const error = new StowageError(
    'part-damaged',
    `${part.path} is damaged in the stream: ${contentOf(bundle, part)}`,
    {
      expected: sriHex(part.sha512),
      found: spots,
      hint: 'stream the bundle again; if it is damaged again, run stowage verify on the sending side',
    },
  );
  return { part, folder: 'the stream', error, ranges, unreadable: false };
}

function destinationOf({ path, offset, loose }: PartDestination): Destination {
  return loose === true
    ? { path, offset, create: 'anew', unsynced: true }
    : { path, offset, create: false };
}
