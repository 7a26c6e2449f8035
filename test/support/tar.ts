/** The fields of a ustar header; the defaults are what Stowage writes. */
export interface TarEntry {
  readonly path: string;
  readonly data?: string;
  readonly type?: string;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly mtime?: number;
  /** The size that the header claims, in bytes, where it is not that of the data. */
  readonly size?: number;
  readonly badChecksum?: boolean;
}

/** A tar made byte by byte, as nobody's library would write it. */
export function tarOf(...entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), endOfTar]);
}

export const endOfTar: Buffer = Buffer.alloc(1024);

export function tarEntry(entry: TarEntry): Buffer {
  const data = Buffer.from(entry.data ?? '');
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, width: number): void => {
    header.write(`${value.toString(8).padStart(width - 2, '0')} \0`, at, width, 'latin1');
  };
  header.write(entry.path, 0, 100, 'utf8');
  octal(entry.mode ?? 0o644, 100, 8);
  if (entry.uid !== undefined) octal(entry.uid, 108, 8);
  octal(entry.size ?? data.length, 124, 12);
  octal(entry.mtime ?? 0, 136, 12);
  header.write(entry.type ?? '0', 156, 1, 'latin1');
  header.write(entry.link ?? '', 157, 100, 'utf8');
  header.write('ustar\u000000', 257, 8, 'latin1');
  octal(0, 329, 8);
  octal(0, 337, 8);
  header.fill(' ', 148, 156);
  const sum =
    header.reduce((total, byte) => total + byte, 0) + (entry.badChecksum === true ? 1 : 0);
  octal(sum, 148, 8);
  const padding = Buffer.alloc((512 - (data.length % 512)) % 512);
  return Buffer.concat([header, data, padding]);
}

/** An extended header with these records, for the entry after it. */
export function paxHeader(records: Readonly<Record<string, string>>): TarEntry {
  const data = Object.entries(records).map(([key, value]) => record(` ${key}=${value}\n`));
  return { path: 'PaxHeader/x', type: 'x', data: data.join('') };
}

function record(rest: string): string {
  const bytes = Buffer.byteLength(rest);
  let total = bytes;
  while (String(total).length + bytes !== total) total = String(total).length + bytes;
  return `${total}${rest}`;
}
