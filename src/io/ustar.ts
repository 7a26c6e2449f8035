/** Headers and contents fill whole blocks. */
export const BLOCK_BYTES = 512;
const MAX_NAME_BYTES = 100;
/** What eleven octal digits can say: 8 GiB less one byte. */
const MAX_OCTAL_SIZE: number = 8 ** 11 - 1;

/** An entry as its header describes it. */
export interface UstarEntry {
  /** A folder's ends in a slash. */
  readonly path: string;
  /** Bytes of content that follow. */
  readonly size: number;
  readonly mode: number;
  /** `0` a regular file, `5` a folder. */
  readonly kind: '0' | '5';
}

/** What writers of tars do differently. */
export interface UstarStyle {
  /** Name and mode of an extended header. */
  readonly paxName: string;
  readonly paxMode: number;
  /** Whether the device numbers are zeros or empty. */
  readonly devices: boolean;
}

/**
 * A header (POSIX.1-2024, pax, "ustar Interchange Format") of time 0 and owner 0. An extended header with the records
 * `path` and `size`, in this order and as far as they are needed, stands before it where the name has more than 100
 * bytes or others than printable ASCII, or the size more than eleven octal digits.
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

/** The zeros that fill the last block of a content. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** `LENGTH KEY=VALUE\n`, whose length counts its own digits. */
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

/** What a header says; nothing of it is to be trusted. */
export interface DecodedHeader {
  readonly name: string;
  /** Undefined where it is no number. */
  readonly size: number | undefined;
  /** One character; `\0` is a regular file of old writers. */
  readonly kind: string;
  readonly mode: string;
  readonly owner: string;
  readonly time: string;
}

/**
 * Reads one header block: ustar with its prefix, older tars, sizes in base 256 as GNU tar writes them.
 * @returns undefined where the checksum does not match, as in a block of zeros
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

/** `path` and `size` of the records in an extended header; undefined where they cannot be read. */
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

/** The long name that GNU tar writes as a content of its own. */
export function decodeLongName(body: Buffer): string {
  return text(body, 0, body.length);
}

/** The sum of a header's bytes, its own field counted as spaces. */
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
