import { MAX_ARCHIVE_ENTRIES, MIB } from '../core/limits.ts';
import { BLOCK_BYTES, decodeHeader, decodeLongName, decodePax } from './ustar.ts';

/** An entry of a foreign archive. Its name is not validated; a leading `./` or `/` is removed. */
export interface TarMember {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  readonly size: number;
  /** Of its content, in the archive. */
  readonly offset: number;
}

/** An archive that is read at given positions. */
export interface ArchiveBytes {
  readonly size: number;
  /** Fewer than `length` bytes only where the archive ends. */
  read(offset: number, length: number): Promise<Buffer>;
}

/**
 * The entries of a foreign archive (ustar, pax, long names of GNU tar), by their headers alone.
 * @param damaged makes the error for an archive that is malformed, truncated, or has too many entries
 */
export async function listMembers(
  bytes: ArchiveBytes,
  damaged: (found: string) => Error,
): Promise<TarMember[]> {
  const entries: TarMember[] = [];
  let longName: string | undefined;
  let paxSize: number | undefined;
  let position = 0;
  while (position < bytes.size) {
    const header = await bytes.read(position, BLOCK_BYTES);
    if (header.length < BLOCK_BYTES) throw damaged('it ends within a header');
    if (header.every((byte) => byte === 0)) return entries;
    const head = decodeHeader(header);
    if (head?.size === undefined) throw damaged(`no header at byte ${position}`);
    const extended = 'xgLK'.includes(head.kind);
    const size = extended ? head.size : (paxSize ?? head.size);
    const offset = position + BLOCK_BYTES;
    if (offset + size > bytes.size) throw damaged('it ends within a file');
    position = offset + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
    if (extended) {
      if (size > MIB) throw damaged('a name of more than 1 MiB');
      const text = await bytes.read(offset, size);
      if (head.kind === 'L') longName = decodeLongName(text);
      else if (head.kind === 'x') {
        const found = decodePax(text);
        if (found === undefined) throw damaged('an invalid extended header');
        longName = found.path ?? longName;
        paxSize = found.size ?? paxSize;
      }
      continue;
    }
    const path = (longName ?? head.name).replace(/^(?:\.?\/)+/, '').replace(/\/+$/, '');
    entries.push({ path, kind: kindOf(head.kind), size, offset });
    if (entries.length > MAX_ARCHIVE_ENTRIES) throw damaged(`over ${MAX_ARCHIVE_ENTRIES} entries`);
    longName = undefined;
    paxSize = undefined;
  }
  if (position !== bytes.size) throw damaged('it ends within a block');
  return entries;
}

function kindOf(type: string): TarMember['kind'] {
  if (type === '0' || type === '\0' || type === '7') return 'file';
  if (type === '5') return 'folder';
  return type === '1' || type === '2' ? 'link' : 'other';
}
