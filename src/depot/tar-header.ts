const BLOCK = 512;
/** The largest size that eleven octal digits can say. */
const MAX_OCTAL = 0o77777777777;

/** One entry of a tar: a folder, or a file whose bytes follow. Owned by root, of 1970, readable by all. */
export interface TarEntry {
  /** Without a slash at its beginning; a folder has none at its end, either. */
  readonly path: string;
  /** Bytes of a file; absent for a folder. */
  readonly size?: number;
}

/**
 * What stands before a file's bytes (POSIX pax interchange format): a ustar header, with an extended one before it
 * where the name or the size do not fit.
 */
export function tarHeader({ path, size }: TarEntry): Buffer {
  const name = size === undefined ? `${path}/` : path;
  const bytes = size ?? 0;
  const records = [
    ...(Buffer.byteLength(name) > 100 || /[^\x20-\x7e]/.test(name)
      ? [['path', name] as const]
      : []),
    ...(bytes > MAX_OCTAL ? [['size', String(bytes)] as const] : []),
  ];
  const type = size === undefined ? '5' : '0';
  const header = ustar(name, bytes > MAX_OCTAL ? 0 : bytes, type);
  if (records.length === 0) return header;
  const extended = Buffer.from(records.map(([key, value]) => record(key, value)).join(''), 'utf8');
  return Buffer.concat([
    ustar('pax', extended.length, 'x'),
    extended,
    tarPadding(extended.length),
    header,
  ]);
}

/** Zeros from the end of a file's bytes to the next block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The two blocks at the end of a tar. */
export const tarEnd: Buffer = Buffer.alloc(2 * BLOCK);

function ustar(name: string, size: number, type: '0' | '5' | 'x'): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(Buffer.from(name, 'utf8').subarray(0, 100).toString('latin1'), 0, 'latin1');
  header.write(`${octal(type === '5' ? 0o755 : 0o444, 7)}\0`, 100);
  header.write(`${octal(0, 7)}\0${octal(0, 7)}\0`, 108);
  header.write(`${octal(size, 11)}\0${octal(0, 11)}\0`, 124);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar\x0000', 257);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${octal(sum, 6)}\0 `, 148);
  return header;
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');

/** `LENGTH KEY=VALUE\n`, whose length counts its own digits. */
function record(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}
