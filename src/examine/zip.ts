import { crc32, inflateRawSync } from 'node:zlib';
import { KIB, MAX_ARCHIVE_ENTRIES, MIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { type Bytes, memoryBytes, RuleBroken, sliceBytes } from './bytes.ts';

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END_BYTES = Buffer.from('PK\x05\x06', 'latin1');
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const MAX_DIRECTORY_BYTES = 64 * MIB;
/** Limit of the decompressed size of one member, in memory. */
const MAX_INFLATED_BYTES = 64 * MIB;
const MAX_RATIO = 200;
/** Flag bit 3: sizes and CRC follow the data, and may be zero in the local header. */
const LATER = 8;
const MAX_DESCRIPTOR_BYTES = 24;

export interface ZipEntry {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly size: number;
  readonly packed: number;
  readonly header: number;
  readonly isLink: boolean;
  /** Offset of its data. */
  readonly data: number;
}

/** The offset of the end record of a zip file; undefined if there is none. */
export async function findZipEnd(bytes: Bytes): Promise<number | undefined> {
  const length = Math.min(bytes.size, 22 + 64 * KIB);
  const tail = await bytes.read(bytes.size - length, length);
  const found: number[] = [];
  for (let at = tail.indexOf(END_BYTES); at >= 0; at = tail.indexOf(END_BYTES, at + 1)) {
    if (at + 22 > tail.length) break;
    if (at + 22 + tail.readUInt16LE(at + 20) === tail.length) found.push(at);
  }
  if (found.length > 1) throw broken('it has two end records');
  const [at] = found;
  return at === undefined ? undefined : bytes.size - length + at;
}

/**
 * Lists the members of a zip file (APPNOTE 6.3), and checks that the central directory and the local headers agree, so
 * that every reader sees the same files, and that nothing lies before, between or over the members.
 * @param skip members whose local headers are not read; gaps next to them are then not detected
 * @throws RuleBroken `zip-*`, `archive-bomb`
 */
export async function readZip(
  bytes: Bytes,
  end: number,
  skip: (name: string) => boolean = () => false,
): Promise<ZipEntry[]> {
  const directory = await findDirectory(bytes, end);
  if (directory.size > MAX_DIRECTORY_BYTES || directory.entries > MAX_ARCHIVE_ENTRIES)
    throw new RuleBroken('examine-limit', 'a zip directory with too many entries');
  const listed = parseDirectory(await bytes.read(directory.offset, directory.size));
  if (listed.length !== directory.entries)
    throw broken('the number of files differs from its end record');
  if (new Set(listed.map((each) => each.name)).size !== listed.length)
    throw broken('two members have the same name');
  const entries: ZipEntry[] = [];
  let position = 0;
  let slack = 0;
  for (const each of listed.toSorted((a, b) => a.header - b.header)) {
    if (each.header < position)
      throw new RuleBroken('archive-bomb', `${shown(each.name)} overlaps another member`);
    if (each.header > position && position === 0)
      throw new RuleBroken(
        'zip-prefixed',
        `${counted(each.header, 'byte')} before the first member`,
      );
    if (skip(each.name)) {
      entries.push({ ...each, data: Number.NaN });
      position = each.header;
      slack = Number.POSITIVE_INFINITY;
      continue;
    }
    if (each.header > position + slack)
      throw broken(`there are bytes before ${shown(each.name)} that belong to no member`);
    const data = await checkLocal(bytes, each);
    entries.push({ ...each, data });
    position = data + each.packed;
    slack = (each.flags & LATER) === 0 ? 0 : MAX_DESCRIPTOR_BYTES;
    if (position > directory.offset) throw broken(`${shown(each.name)} overlaps the directory`);
  }
  if (directory.offset > position + slack)
    throw broken('there are bytes before the directory that belong to no member');
  checkRatio(entries, bytes.size);
  return entries;
}

/** Reads a member's content. @throws RuleBroken `zip-checksum`, `archive-opaque`, `archive-too-large` */
export async function zipMember(bytes: Bytes, entry: ZipEntry): Promise<Bytes> {
  const stored = sliceBytes(bytes, entry.data, entry.packed);
  if (entry.method === 0) {
    if (entry.packed !== entry.size) throw broken(`${shown(entry.name)} has two different sizes`);
    if (entry.size <= MAX_INFLATED_BYTES) checkCrc(entry, await stored.read(0, entry.size));
    return stored;
  }
  if (entry.method !== 8)
    throw new RuleBroken(
      'archive-opaque',
      `${shown(entry.name)} uses compression method ${entry.method}`,
    );
  if (entry.size > MAX_INFLATED_BYTES || entry.packed > MAX_INFLATED_BYTES)
    throw new RuleBroken(
      'archive-too-large',
      `${shown(entry.name)} decompresses to ${counted(entry.size, 'byte')}`,
    );
  const content = inflate(await stored.read(0, entry.packed), entry);
  checkCrc(entry, content);
  return memoryBytes(content);
}

function inflate(packed: Buffer, entry: ZipEntry): Buffer {
  try {
    const content = inflateRawSync(packed, { maxOutputLength: entry.size + 1 });
    if (content.length === entry.size) return content;
  } catch {
    // Reported below, like a wrong size.
  }
  throw new RuleBroken(
    'zip-checksum',
    `${shown(entry.name)} does not decompress to its stated size`,
  );
}

function checkCrc(entry: ZipEntry, content: Buffer): void {
  if (crc32(content) === entry.crc) return;
  throw new RuleBroken('zip-checksum', `${shown(entry.name)} does not match its CRC-32`);
}

async function findDirectory(
  bytes: Bytes,
  end: number,
): Promise<{ offset: number; size: number; entries: number }> {
  const record = await bytes.read(end, 22);
  if (record.readUInt16LE(4) !== 0 || record.readUInt16LE(6) !== 0)
    throw broken('it is split across several files');
  const plain = {
    entries: record.readUInt16LE(10),
    size: record.readUInt32LE(12),
    offset: record.readUInt32LE(16),
  };
  const locator = end >= 20 ? await bytes.read(end - 20, 20) : Buffer.alloc(20);
  let behind = end;
  let found = plain;
  if (locator.readUInt32LE(0) === LOCATOR_64) {
    behind = Number(locator.readBigUInt64LE(8));
    const record64 = behind + 56 <= end - 20 ? await bytes.read(behind, 56) : Buffer.alloc(56);
    if (
      record64.readUInt32LE(0) !== END_64 ||
      behind + 12 + Number(record64.readBigUInt64LE(4)) !== end - 20
    )
      throw broken('its zip64 end record is not at the stated offset');
    const wide = {
      entries: Number(record64.readBigUInt64LE(32)),
      size: Number(record64.readBigUInt64LE(40)),
      offset: Number(record64.readBigUInt64LE(48)),
    };
    if (
      differs(plain.entries, wide.entries, 0xffff) ||
      differs(plain.size, wide.size, 0xffffffff) ||
      differs(plain.offset, wide.offset, 0xffffffff)
    )
      throw broken('its two end records disagree');
    found = wide;
  }
  if (found.offset + found.size < behind)
    throw new RuleBroken('zip-prefixed', 'its offsets do not count from the start of the file');
  if (found.offset + found.size !== behind)
    throw broken('its directory is not at the stated offset');
  return found;
}

function differs(narrow: number, wide: number, unsaid: number): boolean {
  return narrow !== unsaid && narrow !== wide;
}

function parseDirectory(directory: Buffer): Omit<ZipEntry, 'data'>[] {
  const entries: Omit<ZipEntry, 'data'>[] = [];
  for (let at = 0; at < directory.length; ) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== CENTRAL)
      throw broken('its directory is malformed');
    const nameLength = directory.readUInt16LE(at + 28);
    const extraLength = directory.readUInt16LE(at + 30);
    const next = at + 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
    if (next > directory.length) throw broken('its directory is truncated');
    const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
    const extra = directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    const wide = wideSizes(extra, [
      directory.readUInt32LE(at + 24),
      directory.readUInt32LE(at + 20),
      directory.readUInt32LE(at + 42),
    ]);
    entries.push({
      name,
      flags: directory.readUInt16LE(at + 8),
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      size: wide[0] ?? 0,
      packed: wide[1] ?? 0,
      header: wide[2] ?? 0,
      // Created on Unix, with the file type of a symbolic link.
      isLink: directory.readUInt8(at + 5) === 3 && directory.readUInt16LE(at + 40) >> 12 === 0o12,
    });
    at = next;
  }
  return entries;
}

/** Sizes and offset; values that do not fit in 32 bits come from the zip64 field (APPNOTE 4.5.3). */
function wideSizes(extra: Buffer, narrow: readonly number[]): number[] {
  let field = Buffer.alloc(0);
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    if (field.length > 0) throw broken('a member has two zip64 fields');
    field = Buffer.from(extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2)));
  }
  return narrow.map((value) => {
    if (value !== 0xffffffff) return value;
    if (field.length < 8) throw broken('a 64-bit size is missing');
    const wide = Number(field.readBigUInt64LE(0));
    field = field.subarray(8);
    return wide;
  });
}

async function checkLocal(bytes: Bytes, entry: Omit<ZipEntry, 'data'>): Promise<number> {
  const header = await bytes.read(entry.header, 30);
  if (header.length < 30 || header.readUInt32LE(0) !== LOCAL)
    throw broken(`${shown(entry.name)} has no local header`);
  const nameLength = header.readUInt16LE(26);
  const extraLength = header.readUInt16LE(28);
  const rest = await bytes.read(entry.header + 30, nameLength + extraLength);
  const flags = header.readUInt16LE(6);
  if (((flags | entry.flags) & 0x2041) !== 0)
    throw new RuleBroken('zip-encrypted', `${shown(entry.name)} is encrypted`);
  const later = (flags & LATER) !== 0;
  const [size, packed] = later
    ? [entry.size, entry.packed]
    : wideSizes(rest.subarray(nameLength), [header.readUInt32LE(22), header.readUInt32LE(18)]);
  if (
    rest.toString('utf8', 0, nameLength) !== entry.name ||
    flags !== entry.flags ||
    header.readUInt16LE(8) !== entry.method ||
    (!later && header.readUInt32LE(14) !== entry.crc) ||
    size !== entry.size ||
    packed !== entry.packed
  )
    throw broken(`the headers of ${shown(entry.name)} disagree`);
  return entry.header + 30 + nameLength + extraLength;
}

function checkRatio(entries: readonly ZipEntry[], size: number): void {
  const unpacked = entries.reduce((sum, each) => sum + each.size, 0);
  if (unpacked > MIB && unpacked > size * MAX_RATIO)
    throw new RuleBroken('archive-bomb', `${counted(size, 'byte')} that decompress to ${unpacked}`);
}

function shown(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}...` : name);
}

function broken(detail: string): RuleBroken {
  return new RuleBroken('zip-inconsistent', `inconsistent zip file: ${detail}`);
}
