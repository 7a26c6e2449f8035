import { KIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { type Bytes, sliceBytes } from './bytes.ts';
import { RuleBroken } from './rule-broken.ts';

const MAX_HEADER_BYTES = 64 * KIB;

/**
 * The pickle in a NumPy file whose elements are Python objects; undefined for plain numbers (numpy.lib.format,
 * versions 1 to 3).
 * @throws RuleBroken `npy-malformed`
 */
export async function npyPickle(bytes: Bytes): Promise<Bytes | undefined> {
  const head = await bytes.read(0, 12);
  const major = head[6] ?? 0;
  if (head.length < 12 || major < 1 || major > 3) throw malformed('an unknown version');
  const [start, length] = major === 1 ? [10, head.readUInt16LE(8)] : [12, head.readUInt32LE(8)];
  if (length > MAX_HEADER_BYTES || start + length > bytes.size)
    throw malformed(`a header of ${counted(length, 'byte')}`);
  const header = (await bytes.read(start, length)).toString('latin1');
  const [, type, shape] =
    /^\{\s*'descr':\s*('[^']*'|\[.*\]),\s*'fortran_order':\s*(?:True|False),\s*'shape':\s*\(([0-9, ]*)\),?\s*\}\s*$/s.exec(
      header,
    ) ?? [];
  if (type === undefined || shape === undefined) throw malformed('a header that cannot be read');
  const data = start + length;
  if ([...type.matchAll(/'([^']*)'/g)].some(([, each]) => /^[|<>=]?O\d*$/.test(each ?? '')))
    return sliceBytes(bytes, data, bytes.size - data);
  const width = /^'[|<>=][a-zA-Z](\d+)'$/.exec(type)?.[1];
  const count = shape
    .split(',')
    .reduce((product, each) => product * (each.trim() === '' ? 1 : Number(each)), 1);
  const unit = type[2] === 'U' ? 4 : 1;
  if (width !== undefined && count * Number(width) * unit !== bytes.size - data)
    throw malformed('a size that does not match its header');
  return undefined;
}

function malformed(detail: string): RuleBroken {
  return new RuleBroken('npy-malformed', `a NumPy file with ${detail}`);
}
