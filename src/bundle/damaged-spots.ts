import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { CRC_SPAN_BYTES } from '../core/limits.ts';
import type { Part } from '../format/part.ts';

/** A stretch of a file, in bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface DamagedSpots {
  /** Stretches of up to 4 MiB that cannot be read, or whose CRC-32 differs from the index. */
  readonly ranges: readonly ByteRange[];
  /** How many of them cannot be read. */
  readonly unreadable: number;
  /** How many stretches the part has. */
  readonly spans: number;
}

/**
 * Reads a damaged part again to locate the damage; only for messages and lists. Never fails.
 * @param file its path, or its descriptor if it is open
 * @param start where the part begins in its file, in bytes
 */
export async function damagedSpots(
  file: string | number,
  part: Part,
  start = 0,
): Promise<DamagedSpots> {
  const spans = Math.ceil(part.size / CRC_SPAN_BYTES);
  const ranges: ByteRange[] = [];
  let unreadable = 0;
  try {
    const handle = await (typeof file === 'number'
      ? open(`/proc/self/fd/${file}`, constants.O_RDONLY)
      : open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
    try {
      const buffer = Buffer.alloc(Math.min(CRC_SPAN_BYTES, part.size));
      for (let span = 0; span < spans; span++) {
        const offset = span * CRC_SPAN_BYTES;
        const length = Math.min(CRC_SPAN_BYTES, part.size - offset);
        const bytes = await readFully(handle, buffer.subarray(0, length), start + offset);
        if (bytes === undefined) unreadable += 1;
        const crc = bytes && crc32(bytes).toString(16).padStart(8, '0');
        if (crc !== part.crc32.slice(8 * span, 8 * span + 8)) ranges.push({ offset, length });
      }
    } finally {
      await handle.close();
    }
  } catch {
    return { ranges: [{ offset: 0, length: part.size }], unreadable: spans, spans };
  }
  return { ranges, unreadable, spans };
}

async function readFully(
  handle: Awaited<ReturnType<typeof open>>,
  buffer: Buffer,
  position: number,
): Promise<Buffer | undefined> {
  try {
    let filled = 0;
    while (filled < buffer.length) {
      const at = position + filled;
      const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, at);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  } catch {
    return undefined;
  }
}

/** The damaged ranges as text: `different bytes within 0-4194303 of the file`. */
export function spotsInWords({ ranges, unreadable }: DamagedSpots): string {
  if (ranges.length === 0) return 'different bytes; the CRC-32 values do not locate them';
  const shown = ranges.slice(0, 8).map(({ offset, length }) => `${offset}-${offset + length - 1}`);
  const more = ranges.length > 8 ? ` and ${ranges.length - 8} more places` : '';
  const what =
    unreadable === 0
      ? 'different bytes'
      : unreadable === ranges.length
        ? 'unreadable bytes'
        : 'different and unreadable bytes';
  return `${what} within ${shown.join(', ')} of the file${more}`;
}
