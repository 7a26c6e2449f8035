/** A regular file as an entry of a tar. */
export interface TarEntry {
  /** ASCII. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly executable: boolean;
}

/** Headers and contents fill whole blocks. */
export const BLOCK_BYTES = 512;
/** An archive is a multiple of this, as tape drives and `tar` want it. */
const RECORD_BYTES = 10_240;
const MAX_NAME_BYTES = 100;
/** What eleven octal digits can say: 8 GiB less one byte. */
const MAX_OCTAL_SIZE: number = 8 ** 11 - 1;
const PAX_NAME = '././@PaxHeader';
/** A name of as many bytes as any path of ours, a size, and their keys. */
const MAX_PAX_BYTES = 1100;

/**
 * The only header that an entry may have (POSIX.1-2024, pax, "ustar Interchange Format"): time 0, owner 0, mode 0644 or
 * 0755. An extended header stands before it where the name has more than 100 bytes or the size more than eleven octal
 * digits, with the records `path` and `size`, in this order, as far as they are needed.
 */
export function headerOf(entry: TarEntry): Buffer {
  const { path, size, executable } = entry;
  const records = [
    ...(path.length > MAX_NAME_BYTES ? [paxRecord('path', path)] : []),
    ...(size > MAX_OCTAL_SIZE ? [paxRecord('size', String(size))] : []),
  ].join('');
  const plain = block(path, size > MAX_OCTAL_SIZE ? 0 : size, executable ? 0o755 : 0o644, '0');
  if (records === '') return plain;
  const extended = block(PAX_NAME, records.length, 0o644, 'x');
  return Buffer.concat([extended, Buffer.from(records, 'ascii'), padding(records.length), plain]);
}

/** The zeros that fill the last block of a content. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** What stands after the last entry: two blocks of zeros, and zeros up to a whole record. */
export function endOfArchive(offset: number): Buffer {
  const least = offset + 2 * BLOCK_BYTES;
  return Buffer.alloc(Math.ceil(least / RECORD_BYTES) * RECORD_BYTES - offset);
}

/**
 * What a header claims, for entries whose size nobody knows before; {@link headerOf} of it is compared with the bytes.
 * @param read gives so many further bytes of the archive
 * @returns the claim and the header's bytes; no claim where it cannot be one of ours
 */
export async function readHeader(
  read: (bytes: number) => Promise<Buffer>,
): Promise<{ readonly claim?: Omit<TarEntry, 'executable'>; readonly bytes: Buffer }> {
  const first = await read(BLOCK_BYTES);
  if (text(first, 156, 1) !== 'x') return withClaim(first, text(first, 0, MAX_NAME_BYTES), first);
  const length = octal(first);
  if (length === undefined || length > MAX_PAX_BYTES) return { bytes: first };
  const body = await read(length + padding(length).length);
  const plain = await read(BLOCK_BYTES);
  const path = /^[1-9][0-9]{0,3} path=([^\n]*)\n$/.exec(body.toString('latin1', 0, length))?.[1];
  return withClaim(plain, path, Buffer.concat([first, body, plain]));
}

function withClaim(
  plain: Buffer,
  path: string | undefined,
  bytes: Buffer,
): Awaited<ReturnType<typeof readHeader>> {
  const size = octal(plain);
  if (path === undefined || path === '' || size === undefined) return { bytes };
  return { claim: { path, size }, bytes };
}

/** What a header is, in words, for a person who is told that it was refused. */
export function headerInWords(bytes: Buffer): string {
  if (bytes.subarray(0, BLOCK_BYTES).every((byte) => byte === 0)) return 'the end of the archive';
  const name = JSON.stringify(text(bytes, 0, MAX_NAME_BYTES).slice(0, 100));
  const sum = Number.parseInt(text(bytes, 148, 8), 8);
  if (sum !== checksum(bytes)) return 'no header of a tar: its checksum is wrong';
  const kind = text(bytes, 156, 1);
  if (kind !== '' && kind !== '0') return `${KINDS[kind] ?? `an entry of type ${kind}`}, ${name}`;
  const size = octal(bytes);
  const amount = size === undefined ? 'a size that is not octal' : `${size} bytes`;
  return `a file ${name} of ${amount}, mode ${text(bytes, 100, 8).trim()}, owner ${text(bytes, 108, 8).trim()}, time ${text(bytes, 136, 12).trim()}`;
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
  M: 'a continued file of GNU tar',
  S: 'a sparse file of GNU tar',
  V: 'a volume label of GNU tar',
  g: 'extended headers for all that follows',
  x: 'an extended header',
};

function paxRecord(key: string, value: string): string {
  // The length counts its own digits.
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length)
    length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function block(path: string, size: number, mode: number, kind: '0' | 'x'): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const put = (value: string, at: number): void => void header.write(value, at, 'ascii');
  const digits = (value: number, width: number): string => value.toString(8).padStart(width, '0');
  put(path.slice(0, MAX_NAME_BYTES), 0);
  put(digits(mode, 7), 100);
  put(digits(0, 7), 108);
  put(digits(0, 7), 116);
  put(digits(size, 11), 124);
  put(digits(0, 11), 136);
  put(kind, 156);
  put('ustar\u000000', 257);
  put(digits(0, 7), 329);
  put(digits(0, 7), 337);
  put(`${digits(checksum(header), 6)}\u0000 `, 148);
  return header;
}

/** The sum of a header's bytes, its own field counted as spaces. */
function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < BLOCK_BYTES; at++) sum += at >= 148 && at < 156 ? 0x20 : (header[at] ?? 0);
  return sum;
}

function octal(header: Buffer): number | undefined {
  const digits = /^([0-7]{11})\0$/.exec(header.toString('latin1', 124, 136))?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 8);
}

function text(bytes: Buffer, from: number, length: number): string {
  return bytes.toString('latin1', from, from + length).split('\u0000', 1)[0] ?? '';
}
