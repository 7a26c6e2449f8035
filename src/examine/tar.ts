import { MAX_ARCHIVE_ENTRIES, MIB } from '../core/limits.ts';
import { BLOCK_BYTES, decodeHeader, decodeLongName, decodePax } from '../io/ustar.ts';
import { type Bytes, RuleBroken } from './bytes.ts';

const MAX_LONG_NAME = MIB;

export interface TarEntry {
  readonly name: string;
  readonly data: number;
  readonly size: number;
}

/**
 * Lists the files in a tar archive (ustar, PAX, GNU long names) without unpacking it.
 * @throws RuleBroken `tar-malformed`, `tar-trailing`, `archive-link`, `archive-device`, `examine-limit`
 */
export async function readTar(bytes: Bytes): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  let longName: string | undefined;
  let paxSize: number | undefined;
  let position = 0;
  for (let count = 0; ; count += 1) {
    if (count > MAX_ARCHIVE_ENTRIES * 2)
      throw new RuleBroken('examine-limit', 'a tar archive with too many entries');
    const header = await bytes.read(position, BLOCK_BYTES);
    if (header.length < BLOCK_BYTES) throw malformed('it is truncated within a header');
    if (header.every((byte) => byte === 0)) break;
    const head = decodeHeader(header);
    if (head?.size === undefined || head.name === '')
      throw malformed(`invalid header at byte ${position}`);
    const { kind: type, size: own } = head;
    const size = 'xgLK'.includes(type) ? own : (paxSize ?? own);
    const data = position + BLOCK_BYTES;
    if (data + size > bytes.size) throw malformed('a file extends beyond the end of the archive');
    position = data + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
    if (type === 'x' || type === 'g' || type === 'L') {
      if (size > MAX_LONG_NAME) throw malformed('a name of more than 1 MiB');
      const text = await bytes.read(data, size);
      const found: ReturnType<typeof decodePax> =
        type === 'L' ? { path: decodeLongName(text) } : decodePax(text);
      if (found === undefined) throw malformed('invalid PAX record');
      longName = found.path ?? longName;
      paxSize = found.size ?? paxSize;
      continue;
    }
    const name = longName ?? head.name;
    longName = undefined;
    paxSize = undefined;
    checkType(type, name);
    if (own !== size) throw malformed(`${JSON.stringify(name)} has two different sizes`);
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
    throw malformed(`${shown} has unknown type ${JSON.stringify(type)}`);
}

async function checkEnd(bytes: Bytes, start: number): Promise<void> {
  for (let position = start; position < bytes.size; position += MIB) {
    const rest = await bytes.read(position, MIB);
    if (rest.some((byte) => byte !== 0))
      throw new RuleBroken('tar-trailing', 'there are bytes after the end of the tar archive');
  }
}

function malformed(detail: string): RuleBroken {
  return new RuleBroken('tar-malformed', `invalid tar archive: ${detail}`);
}
