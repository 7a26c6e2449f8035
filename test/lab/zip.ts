import { crc32, deflateRawSync } from 'node:zlib';

/** A member of a zip, and what of its two descriptions shall differ from the truth. */
export interface ZipMember {
  readonly name: string;
  readonly content: Buffer;
  readonly deflate?: boolean;
  readonly zip64?: boolean;
  /** Sizes and CRC follow the data, as PyTorch writes them. */
  readonly descriptor?: boolean;
  readonly localName?: string;
  readonly localFlags?: number;
  readonly flags?: number;
  readonly method?: number;
  readonly crc?: number;
  readonly size?: number;
  /** Unix mode, with the file type. */
  readonly mode?: number;
}

export interface ZipShape {
  readonly prefix?: Buffer;
  /** Whether the offsets count the prefix in. */
  readonly adjusted?: boolean;
  readonly zip64?: boolean;
  readonly comment?: Buffer;
  /** Has every member of the directory lead to the first one's data. */
  readonly overlap?: boolean;
  readonly gap?: Buffer;
}

const u16 = (value: number): Buffer => Buffer.from(Uint16Array.of(value).buffer);
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);

/** A zip written byte by byte (APPNOTE 6.3), well-formed unless it is told otherwise. */
export function writeZip(members: readonly ZipMember[], shape: ZipShape = {}): Buffer {
  const prefix = shape.prefix ?? Buffer.alloc(0);
  const parts: Buffer[] = [prefix];
  const directory: Buffer[] = [];
  let offset = shape.adjusted === false ? 0 : prefix.length;
  for (const member of members) {
    const { local, central } = writeMember(member, shape.overlap === true ? 0 : offset);
    const gap = shape.gap ?? Buffer.alloc(0);
    parts.push(local, gap);
    directory.push(central);
    offset += local.length + gap.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.concat([
    u32(0x06054b50),
    u16(0),
    u16(0),
    u16(members.length),
    u16(members.length),
    u32(shape.zip64 === true ? 0xffffffff : listed.length),
    u32(shape.zip64 === true ? 0xffffffff : offset),
    u16(shape.comment?.length ?? 0),
    shape.comment ?? Buffer.alloc(0),
  ]);
  const end64 = Buffer.concat([
    u32(0x06064b50),
    u64(44),
    u16(45),
    u16(45),
    u32(0),
    u32(0),
    u64(members.length),
    u64(members.length),
    u64(listed.length),
    u64(offset),
    u32(0x07064b50),
    u32(0),
    u64(offset + listed.length),
    u32(1),
  ]);
  return Buffer.concat([...parts, listed, ...(shape.zip64 === true ? [end64] : []), end]);
}

function writeMember(member: ZipMember, offset: number): { local: Buffer; central: Buffer } {
  const packed = member.deflate === true ? deflateRawSync(member.content) : member.content;
  const method = member.method ?? (member.deflate === true ? 8 : 0);
  const flags = member.flags ?? (member.descriptor === true ? 8 : 0);
  const crc = member.crc ?? crc32(member.content);
  const size = member.size ?? member.content.length;
  const wide = member.zip64 === true;
  const later = member.descriptor === true;
  const name = Buffer.from(member.name);
  const localName = Buffer.from(member.localName ?? member.name);
  const extra = wide
    ? Buffer.concat([u16(1), u16(16), u64(size), u64(packed.length)])
    : Buffer.alloc(0);
  const sizes = (hidden: boolean): Buffer[] => {
    if (hidden) return [u32(0), u32(0), u32(0)];
    return wide
      ? [u32(crc), u32(0xffffffff), u32(0xffffffff)]
      : [u32(crc), u32(packed.length), u32(size)];
  };
  const local = Buffer.concat([
    u32(0x04034b50),
    u16(20),
    u16(member.localFlags ?? flags),
    u16(method),
    u32(0),
    ...sizes(later),
    u16(localName.length),
    u16(later ? 0 : extra.length),
    localName,
    later ? Buffer.alloc(0) : extra,
    packed,
    later
      ? Buffer.concat([u32(0x08074b50), u32(crc), u64(packed.length), u64(size)])
      : Buffer.alloc(0),
  ]);
  const central = Buffer.concat([
    u32(0x02014b50),
    u16(0x0314),
    u16(20),
    u16(flags),
    u16(method),
    u32(0),
    ...sizes(false),
    u16(name.length),
    u16(extra.length),
    u16(0),
    u16(0),
    u16(0),
    u32(((member.mode ?? 0o100644) << 16) >>> 0),
    u32(offset),
    name,
    extra,
  ]);
  return { local, central };
}
