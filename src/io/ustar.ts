/** Headers and contents are padded to whole blocks. */
export const BLOCK_BYTES = 512;
const MAX_NAME_BYTES = 100;
/** The largest number of eleven octal digits: 8 GiB less one byte. */
const MAX_OCTAL_SIZE: number = 8 ** 11 - 1;

/** The fields of a header. */
export interface UstarEntry {
  /** Ends in a slash for a folder. */
  readonly path: string;
  /** Bytes of content. */
  readonly size: number;
  readonly mode: number;
  /** `0` a regular file, `5` a folder. */
  readonly kind: '0' | '5';
}

/** Differences between tar writers. */
export interface UstarStyle {
  /** Name and mode of an extended header. */
  readonly paxName: string;
  readonly paxMode: number;
  /** Whether the device numbers are zeros or empty. */
  readonly devices: boolean;
}

/**
 * A header (POSIX.1-2024, pax, "ustar Interchange Format") with time 0 and owner 0. If the name has more than 100 bytes
 * or anything but printable ASCII, or the size has more than eleven octal digits, an extended header with the required
 * records, `path` before `size`, precedes it.
 */
export function encodeHeader({ path, size, mode, kind }: UstarEntry, style: UstarStyle): Buffer {
  const records = [
    ...(Buffer.byteLength(path) > MAX_NAME_BYTES || /[^\x20-\x7e]/.test(path)
      ? [paxRecord('path', path)]
      : []),
    ...(size > MAX_OCTAL_SIZE ? [paxRecord('size', String(size))] : []),
  ];
  const { devices, paxName, paxMode } = style;
  const told = size > MAX_OCTAL_SIZE ? 0 : size;
  const plain = block({ path, size: told, mode, kind }, devices);
  if (records.length === 0) return plain;
  const body = Buffer.from(records.join(''), 'utf8');
  const extended = { path: paxName, size: body.length, mode: paxMode, kind: 'x' as const };
  return Buffer.concat([block(extended, devices), body, padding(body.length), plain]);
}

/** The zeros that pad the last block of a file's content. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** `LENGTH KEY=VALUE\n`; the length includes its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes;
  while (String(length).length + bytes !== length) length = String(length).length + bytes;
  return `${length}${rest}`;
}

function block(
  { path, size, mode, kind }: Omit<UstarEntry, 'kind'> & { readonly kind: '0' | '5' | 'x' },
  devices: boolean,
): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const put = (value: string, at: number): void => void header.write(value, at, 'latin1');
  const digits = (value: number, width: number): string => value.toString(8).padStart(width, '0');
  Buffer.from(path, 'utf8').copy(header, 0, 0, MAX_NAME_BYTES);
  put(digits(mode, 7), 100);
  put(digits(0, 7), 108);
  put(digits(0, 7), 116);
  put(digits(size, 11), 124);
  put(digits(0, 11), 136);
  put(kind, 156);
  put('ustar\u000000', 257);
  if (devices) {
    put(digits(0, 7), 329);
    put(digits(0, 7), 337);
  }
  put(`${digits(checksum(header), 6)}\u0000 `, 148);
  return header;
}

/** A decoded foreign header; none of its values is validated. */
export interface DecodedHeader {
  readonly name: string;
  /** Undefined if it is not a number. */
  readonly size: number | undefined;
  /** One character; `\0` is a regular file in old archives. */
  readonly kind: string;
  readonly mode: string;
  readonly owner: string;
  readonly time: string;
}

/**
 * Reads one header block: ustar with a prefix, older formats, and sizes in base 256 as GNU tar writes them.
 * @returns undefined if the checksum does not match, as in a block of zeros
 */
export function decodeHeader(header: Buffer): DecodedHeader | undefined {
  if (header.length < BLOCK_BYTES || octal(header, 148, 8) !== checksum(header)) return undefined;
  const name = text(header, 0, MAX_NAME_BYTES);
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? text(header, 345, 155) : '';
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: octal(header, 124, 12),
    kind: String.fromCharCode(header[156] ?? 0),
    mode: text(header, 100, 8).trim(),
    owner: text(header, 108, 8).trim(),
    time: text(header, 136, 12).trim(),
  };
}

/** `path` and `size` of an extended header; undefined if it is malformed. */
export function decodePax(
  body: Buffer,
): { readonly path?: string; readonly size?: number } | undefined {
  const found: { path?: string; size?: number } = {};
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const digits = space < 0 ? '' : body.toString('latin1', at, space);
    const length = /^[1-9][0-9]{0,8}$/.test(digits) ? Number(digits) : 0;
    if (length <= digits.length + 1 || at + length > body.length) return undefined;
    const record = body.toString('utf8', space + 1, at + length - 1);
    if (record.startsWith('path=')) found.path = record.slice(5);
    if (record.startsWith('size=')) {
      const size = Number(record.slice(5));
      if (!/^size=[0-9]+$/.test(record) || !Number.isSafeInteger(size)) return undefined;
      found.size = size;
    }
    at += length;
  }
  return found;
}

/** A long name that GNU tar writes as the content of a separate entry. */
export function decodeLongName(body: Buffer): string {
  return text(body, 0, body.length);
}

/** The sum of a header's bytes, with the checksum field as spaces. */
function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < BLOCK_BYTES; at++) sum += at >= 148 && at < 156 ? 0x20 : (header[at] ?? 0);
  return sum;
}

function octal(header: Buffer, at: number, length: number): number | undefined {
  if (header[at] === 0x80) {
    const value = Number(header.readBigUInt64BE(at + length - 8));
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = header
    .toString('latin1', at, at + length)
    .replace(/[\0 ]+$/, '')
    .trimStart();
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

function text(bytes: Buffer, from: number, length: number): string {
  const field = bytes.subarray(from, from + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? field.length : end);
}
