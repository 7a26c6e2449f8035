import { inflateRawSync } from 'node:zlib';
import { type Package, packageOf } from '../../content/package.ts';
import { KIB, MIB } from '../../core/limits.ts';

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const MAX_ENTRIES = 65_535;
const MAX_PROPERTIES_BYTES: number = 64 * KIB;
const MAX_INNER_BYTES: number = 64 * MIB;
const PROPERTIES = /^META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/;
const INNER = /^(?:BOOT-INF|WEB-INF)\/lib\/[^/]+\.jar$/;

/**
 * The Maven coordinates of a jar, of the artifacts that are shaded into it, and of the jars inside it.
 * @throws Error if it is not a zip file
 */
export function readJar(file: Buffer, inside: boolean = false): Package[] {
  const packages: Package[] = [];
  let inner = 0;
  for (const entry of entriesOf(file)) {
    if (PROPERTIES.test(entry.name)) {
      packages.push(...readProperties(contentOf(file, entry, MAX_PROPERTIES_BYTES)));
    } else if (!inside && INNER.test(entry.name)) {
      inner += entry.size;
      if (inner > 4 * MAX_INNER_BYTES) throw new Error('the jars inside a jar are too large');
      packages.push(...readJar(contentOf(file, entry, MAX_INNER_BYTES), true));
    }
  }
  return packages;
}

interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

/** The central directory (APPNOTE 6.3.10, 4.3.12); zip64 is not read. */
function* entriesOf(file: Buffer): Generator<ZipEntry> {
  const end = file.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || file.readUInt32LE(end) !== END) throw new Error('not a zip file');
  const count = file.readUInt16LE(end + 10);
  let at = file.readUInt32LE(end + 16);
  for (let n = 0; n < Math.min(count, MAX_ENTRIES); n += 1) {
    if (file.readUInt32LE(at) !== ENTRY) throw new Error('a malformed zip directory');
    const length = file.readUInt16LE(at + 28);
    yield {
      method: file.readUInt16LE(at + 10),
      packed: file.readUInt32LE(at + 20),
      size: file.readUInt32LE(at + 24),
      offset: file.readUInt32LE(at + 42),
      name: file.toString('utf8', at + 46, at + 46 + length),
    };
    at += 46 + length + file.readUInt16LE(at + 30) + file.readUInt16LE(at + 32);
  }
}

function contentOf(file: Buffer, { method, packed, offset }: ZipEntry, most: number): Buffer {
  const start = offset + 30 + file.readUInt16LE(offset + 26) + file.readUInt16LE(offset + 28);
  const bytes = file.subarray(start, start + packed);
  if (method === 8) return inflateRawSync(bytes, { maxOutputLength: most });
  if (method === 0 && bytes.length <= most) return bytes;
  throw new Error('an unsupported or oversized jar entry');
}

function readProperties(bytes: Buffer): Package[] {
  const text = bytes.toString('utf8');
  const value = (key: string): string | undefined =>
    new RegExp(`^${key}\\s*[=:]\\s*(.*?)\\s*$`, 'm').exec(text)?.[1];
  const found = packageOf({
    type: 'maven',
    namespace: value('groupId'),
    name: value('artifactId'),
    version: value('version'),
  });
  return found === undefined ? [] : [found];
}
