import { type Package, packageOf } from '../../content/package.ts';
import { tableRows } from './sqlite-table.ts';

/** Tags of an rpm header that name a package (rpmtag.h). */
const TAGS = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  license: 1014,
  arch: 1022,
  source: 1044,
} as const;
const INT32 = 4;
const TEXTS: readonly number[] = [6, 8, 9];
const MAX_ENTRIES = 65_536;

/** Reads `rpmdb.sqlite`, a table of headers. @throws Error if it is malformed */
export function readRpmDatabase(file: Buffer): Package[] {
  const packages: Package[] = [];
  for (const row of tableRows(file, 'Packages')) {
    const header = row.find((each) => Buffer.isBuffer(each));
    const found = header === undefined ? undefined : readHeader(header);
    // rpm stores imported public keys as packages of this name.
    if (found !== undefined && found.name !== 'gpg-pubkey') packages.push(found);
  }
  return packages;
}

/** Reads a header blob: two counts, an index with 16 bytes per entry, and the data. All numbers are big-endian. */
function readHeader(blob: Buffer): Package | undefined {
  const entries = blob.readUInt32BE(0);
  if (entries > MAX_ENTRIES) throw new Error('an rpm header with too many entries');
  const data = blob.subarray(8 + 16 * entries);
  const values = new Map<number, string>();
  for (let n = 0; n < entries; n += 1) {
    const at = 8 + 16 * n;
    const [tag, type, offset] = [0, 4, 8].map((skip) => blob.readUInt32BE(at + skip));
    if (tag === undefined || type === undefined || offset === undefined) break;
    if (!Object.values<number>(TAGS).includes(tag) || offset >= data.length) continue;
    if (type === INT32) values.set(tag, String(data.readUInt32BE(offset)));
    else if (TEXTS.includes(type)) values.set(tag, textAt(data, offset));
  }
  const [name, number, release] = [TAGS.name, TAGS.version, TAGS.release].map((tag) =>
    values.get(tag),
  );
  const version = number === undefined || release === undefined ? number : `${number}-${release}`;
  const source = values.get(TAGS.source);
  return packageOf({
    type: 'rpm',
    name,
    version,
    arch: values.get(TAGS.arch),
    epoch: values.get(TAGS.epoch),
    upstream: source === `${name}-${version}.src.rpm` ? undefined : source,
    license: values.get(TAGS.license),
  });
}

function textAt(data: Buffer, offset: number): string {
  const end = data.indexOf(0, offset);
  return data.toString('utf8', offset, end < 0 ? data.length : end);
}
