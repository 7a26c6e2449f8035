/**
 * The rows of one table of an SQLite 3 database (sqlite.org/fileformat2.html), read in memory. The file is untrusted, so
 * it is parsed here and not by a native library. The write-ahead log is ignored.
 * @throws Error if the file is malformed
 */
export function* tableRows(file: Buffer, table: string): Generator<readonly SqliteValue[]> {
  const database = openDatabase(file);
  for (const row of rowsOf(database, 1)) {
    const [type, name, , root] = row;
    if (type === 'table' && name === table && typeof root === 'number') {
      yield* rowsOf(database, root);
      return;
    }
  }
}

export type SqliteValue = Buffer | string | number | null;

interface Database {
  readonly file: Buffer;
  readonly pageSize: number;
  /** Bytes of a page that hold content. */
  readonly usable: number;
}

const MAGIC = 'SQLite format 3\0';
const LEAF = 13;
const INTERIOR = 5;
const MAX_PAYLOAD_BYTES = 32 * 1024 * 1024;
const MAX_COLUMNS = 64;
const INTEGER_BYTES: readonly number[] = [0, 1, 2, 3, 4, 6, 8];

function openDatabase(file: Buffer): Database {
  if (file.subarray(0, 16).toString('latin1') !== MAGIC) throw new Error('not an SQLite database');
  const written = file.readUInt16BE(16);
  const pageSize = written === 1 ? 65_536 : written;
  const usable = pageSize - file.readUInt8(20);
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0 || usable < 480)
    throw new Error('an invalid page size');
  return { file, pageSize, usable };
}

function* rowsOf(database: Database, root: number): Generator<readonly SqliteValue[]> {
  // Each page is visited once, so that a cycle is detected.
  const seen = new Set<number>();
  const waiting = [root];
  for (let page = waiting.pop(); page !== undefined; page = waiting.pop()) {
    if (seen.has(page)) throw new Error('a page that is referenced twice');
    seen.add(page);
    const bytes = pageOf(database, page);
    const start = page === 1 ? 100 : 0;
    const type = bytes.readUInt8(start);
    if (type !== LEAF && type !== INTERIOR) throw new Error('a page of an unexpected type');
    const cells = bytes.readUInt16BE(start + 3);
    const pointers = start + (type === LEAF ? 8 : 12);
    const children: number[] = [];
    for (let cell = 0; cell < cells; cell += 1) {
      const at = bytes.readUInt16BE(pointers + 2 * cell);
      if (type === LEAF) yield readRecord(payloadAt(database, bytes, at));
      else children.push(bytes.readUInt32BE(at));
    }
    if (type === INTERIOR) waiting.push(bytes.readUInt32BE(start + 8), ...children.reverse());
  }
}

function pageOf({ file, pageSize }: Database, page: number): Buffer {
  const bytes = file.subarray((page - 1) * pageSize, page * pageSize);
  if (page >= 1 && bytes.length === pageSize) return bytes;
  throw new Error('a missing page');
}

/** A cell's payload, including its overflow pages. */
function payloadAt(database: Database, page: Buffer, at: number): Buffer {
  const { usable } = database;
  const [length, afterLength] = varint(page, at);
  const [, start] = varint(page, afterLength);
  if (length > MAX_PAYLOAD_BYTES) throw new Error('an oversized row');
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const fitting = least + ((length - least) % (usable - 4));
  const local = length <= usable - 35 ? length : fitting <= usable - 35 ? fitting : least;
  const pieces = [page.subarray(start, start + local)];
  if (pieces[0]?.length !== local) throw new Error('a truncated row');
  let next = local < length ? page.readUInt32BE(start + local) : 0;
  for (let left = length - local; left > 0; ) {
    const overflow = pageOf(database, next);
    const piece = overflow.subarray(4, 4 + Math.min(left, usable - 4));
    pieces.push(piece);
    left -= piece.length;
    next = overflow.readUInt32BE(0);
  }
  return Buffer.concat(pieces);
}

function readRecord(payload: Buffer): SqliteValue[] {
  const [headerSize, first] = varint(payload, 0);
  const values: SqliteValue[] = [];
  let body = headerSize;
  for (let at = first; at < headerSize && values.length < MAX_COLUMNS; ) {
    const [type, next] = varint(payload, at);
    at = next;
    const length = lengthOf(type);
    const bytes = payload.subarray(body, body + length);
    if (bytes.length !== length) throw new Error('a truncated row');
    body += length;
    values.push(columnOf(type, bytes));
  }
  return values;
}

function lengthOf(type: number): number {
  if (type >= 12) return Math.floor((type - 12) / 2);
  return INTEGER_BYTES[type] ?? (type === 7 ? 8 : 0);
}

function columnOf(type: number, bytes: Buffer): SqliteValue {
  if (type >= 12) return type % 2 === 0 ? bytes : bytes.toString('utf8');
  if (type === 8 || type === 9) return type - 8;
  return type >= 1 && type <= 5 ? bytes.readIntBE(0, bytes.length) : null;
}

/** A big-endian integer of 1 to 9 bytes, 7 bits in each of the first eight. */
function varint(bytes: Buffer, at: number): readonly [value: number, next: number] {
  let value = 0;
  for (let n = 0; n < 8; n += 1) {
    const byte = bytes.readUInt8(at + n);
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      if (value > Number.MAX_SAFE_INTEGER) break;
      return [value, at + n + 1];
    }
  }
  throw new Error('an integer that is too large');
}
