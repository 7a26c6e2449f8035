import { counted } from '../core/text.ts';
import {
  BLOCK_BYTES,
  decodeHeader,
  decodePax,
  encodeHeader,
  padding,
  type UstarStyle,
} from './ustar.ts';

/** A regular file as an entry of a stream. */
export interface TarEntry {
  /** ASCII. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly executable: boolean;
}

/** The size of an archive is a multiple of this, as tape drives and `tar` expect. */
const RECORD_BYTES = 10_240;
/** A path of the maximum length, a size, and their keys. */
const MAX_PAX_BYTES = 1100;
const style: UstarStyle = { paxName: '././@PaxHeader', paxMode: 0o644, devices: true };

/** The only valid header of an entry in a stream: mode 0644 or 0755, otherwise as {@link encodeHeader} writes it. */
export function headerOf({ path, size, executable }: TarEntry): Buffer {
  return encodeHeader({ path, size, mode: executable ? 0o755 : 0o644, kind: '0' }, style);
}

/** The end of an archive: two blocks of zeros, and zeros up to a whole record. */
export function endOfArchive(offset: number): Buffer {
  const least = offset + 2 * BLOCK_BYTES;
  return Buffer.alloc(Math.ceil(least / RECORD_BYTES) * RECORD_BYTES - offset);
}

/**
 * Reads a header whose content is not known in advance; the caller compares {@link headerOf} of the result with the bytes.
 * @param read returns that many further bytes of the archive
 * @returns the claimed entry and the header's bytes; no entry if the header is not in our format
 */
export async function readHeader(
  read: (bytes: number) => Promise<Buffer>,
): Promise<{ readonly claim?: Omit<TarEntry, 'executable'>; readonly bytes: Buffer }> {
  const first = await read(BLOCK_BYTES);
  const head = decodeHeader(first);
  if (head?.size === undefined) return { bytes: first };
  if (head.kind !== 'x') return { claim: { path: head.name, size: head.size }, bytes: first };
  if (head.size > MAX_PAX_BYTES) return { bytes: first };
  const body = await read(head.size + padding(head.size).length);
  const plain = await read(BLOCK_BYTES);
  const bytes = Buffer.concat([first, body, plain]);
  const records = decodePax(body.subarray(0, head.size));
  const described = decodeHeader(plain);
  const path = records?.path ?? described?.name;
  const size = records?.size ?? described?.size;
  if (records === undefined || path === undefined || size === undefined) return { bytes };
  return { claim: { path, size }, bytes };
}

/** Describes a header for an error message. */
export function describeHeader(bytes: Buffer): string {
  if (bytes.subarray(0, BLOCK_BYTES).every((byte) => byte === 0)) return 'the end of the archive';
  const head = decodeHeader(bytes);
  if (head === undefined) return 'not a tar header: its checksum is wrong';
  const { kind, mode, owner, time } = head;
  const name = JSON.stringify(head.name.slice(0, 100));
  if (kind !== '\0' && kind !== '0') return `${KINDS[kind] ?? `an entry of type ${kind}`}, ${name}`;
  const amount = head.size === undefined ? 'a size that is not octal' : counted(head.size, 'byte');
  return `a file ${name} of ${amount}, mode ${mode}, owner ${owner}, time ${time}`;
}

const KINDS: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a device',
  '4': 'a device',
  '5': 'a folder',
  '6': 'a pipe',
  '7': 'a contiguous file',
  K: 'a long link name of GNU tar',
  L: 'a long name of GNU tar',
  M: 'a multi-volume file of GNU tar',
  S: 'a sparse file of GNU tar',
  V: 'a volume label of GNU tar',
  g: 'global extended headers',
  x: 'an extended header',
};
