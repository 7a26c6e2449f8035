import { MAX_ARCHIVE_ENTRIES, MIB } from '../core/limits.ts';
import type { Bytes } from './bytes.ts';
import { RuleBroken } from './rule-broken.ts';

const BLOCK = 512;
const MAX_LONG_NAME = MIB;

export interface TarEntry {
  readonly name: string;
  readonly data: number;
  readonly size: number;
}

/** Whether a first block is a tar header: its checksum fits, and it is not all zero. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK || block[0] === 0) return false;
  const said = octal(block, 148, 8);
  return said !== undefined && said === checksum(block);
}

/**
 * The files of a tar (ustar, PAX, GNU long names), without unpacking it.
 * @throws RuleBroken `tar-malformed`, `tar-trailing`, `archive-link`, `archive-device`, `examine-limit`
 */
export async function readTar(bytes: Bytes): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  let longName: string | undefined;
  let paxSize: number | undefined;
  let position = 0;
  for (let count = 0; ; count += 1) {
    if (count > MAX_ARCHIVE_ENTRIES * 2)
      throw new RuleBroken('examine-limit', 'a tar of too many entries');
    const header = await bytes.read(position, BLOCK);
    if (header.length < BLOCK) throw malformed('it ends within a header');
    if (header.every((byte) => byte === 0)) break;
    const own = octal(header, 124, 12);
    if (!isTarHeader(header) || own === undefined) throw malformed(`no header at byte ${position}`);
    const type = String.fromCharCode(header[156] ?? 0);
    const size = 'xgLK'.includes(type) ? own : (paxSize ?? own);
    const data = position + BLOCK;
    if (data + size > bytes.size) throw malformed('a file goes on beyond its end');
    position = data + Math.ceil(size / BLOCK) * BLOCK;
    if (type === 'x' || type === 'g' || type === 'L') {
      if (size > MAX_LONG_NAME) throw malformed('a name of over a mebibyte');
      const text = await bytes.read(data, size);
      const found = type === 'L' ? { path: cut(text), size: undefined } : parsePax(text);
      longName = found.path ?? longName;
      paxSize = found.size ?? paxSize;
      continue;
    }
    const name = longName ?? headerName(header);
    longName = undefined;
    paxSize = undefined;
    checkType(type, name);
    if (own !== size) throw malformed(`${JSON.stringify(name)} has two sizes`);
    if (type !== '5') entries.push({ name, data, size });
  }
  await checkEnd(bytes, position);
  return entries;
}

function checkType(type: string, name: string): void {
  const shown = JSON.stringify(name.slice(0, 200));
  if (type === '1' || type === '2' || type === 'K')
    throw new RuleBroken('archive-link', `${shown} is a link`);
  if (type === '3' || type === '4' || type === '6')
    throw new RuleBroken('archive-device', `${shown} is a device or a pipe`);
  if (type !== '0' && type !== '\0' && type !== '5' && type !== '7')
    throw malformed(`${shown} is of the unknown type ${JSON.stringify(type)}`);
}

async function checkEnd(bytes: Bytes, start: number): Promise<void> {
  for (let position = start; position < bytes.size; position += MIB) {
    const rest = await bytes.read(position, MIB);
    if (rest.some((byte) => byte !== 0))
      throw new RuleBroken('tar-trailing', 'bytes behind the end of a tar');
  }
}

function parsePax(text: Buffer): { path: string | undefined; size: number | undefined } {
  let path: string | undefined;
  let size: number | undefined;
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(32, at);
    const length = Number(text.toString('latin1', at, space));
    if (space < 0 || !Number.isInteger(length) || length <= space - at || at + length > text.length)
      throw malformed('a PAX record that cannot be read');
    const record = text.toString('utf8', space + 1, at + length - 1);
    if (record.startsWith('path=')) path = record.slice(5);
    if (record.startsWith('size=')) size = Number(record.slice(5));
    at += length;
  }
  if (size !== undefined && !Number.isSafeInteger(size)) throw malformed('a PAX size that is none');
  return { path, size };
}

function headerName(header: Buffer): string {
  const name = cut(header.subarray(0, 100));
  const prefix =
    header.toString('latin1', 257, 263) === 'ustar\0' ? cut(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function cut(text: Buffer): string {
  const end = text.indexOf(0);
  return text.toString('utf8', 0, end < 0 ? text.length : end);
}

function octal(block: Buffer, at: number, length: number): number | undefined {
  const first = block[at] ?? 0;
  if (first === 0x80) return Number(block.readBigUInt64BE(at + length - 8));
  const text = block
    .toString('latin1', at, at + length)
    .replace(/[\0 ]+$/, '')
    .trimStart();
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

function checksum(block: Buffer): number {
  let sum = 0;
  for (let at = 0; at < BLOCK; at += 1) sum += at >= 148 && at < 156 ? 32 : (block[at] ?? 0);
  return sum;
}

function malformed(detail: string): RuleBroken {
  return new RuleBroken('tar-malformed', `a tar that cannot be read: ${detail}`);
}
