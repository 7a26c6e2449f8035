import { writeStream } from '../../src/bundle/stream/write-stream.ts';
import { openBundle } from '../../src/cli/commands/open-bundle.ts';
import { context } from './context.ts';

/** What `stowage stream` writes of a bundle. */
export async function streamOf(folder: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const keep = async (bytes: Uint8Array): Promise<void> => void chunks.push(Buffer.from(bytes));
  await writeStream(await openBundle(folder), keep, context());
  return Buffer.concat(chunks);
}

/** Bytes as a pipe gives them: in chunks of this many. */
export async function* pipe(bytes: Buffer, chunk = 65_536): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
}

/** An entry of a tar as it stands there: its header, its content, and the zeros after it. */
export interface Streamed {
  readonly path: string;
  header: Buffer;
  content: Buffer;
  padding: Buffer;
}

/** Takes a tar apart, without extended headers. */
export function entriesOf(tar: Buffer): Streamed[] {
  const entries: Streamed[] = [];
  for (let at = 0; tar[at] !== 0; ) {
    const header = tar.subarray(at, at + 512);
    const size = Number.parseInt(header.toString('latin1', 124, 135), 8);
    const path = header.toString('latin1', 0, 100).replace(/\0.*$/s, '');
    const end = at + 512 + size;
    const next = Math.ceil(end / 512) * 512;
    const content = tar.subarray(at + 512, end);
    entries.push({ path, header, content, padding: tar.subarray(end, next) });
    at = next;
  }
  return entries;
}

/** Puts a tar together again, its end as it is written. */
export function tarOfEntries(entries: readonly Streamed[]): Buffer {
  const bytes = Buffer.concat(
    entries.flatMap(({ header, content, padding }) => [header, content, padding]),
  );
  const end = Math.ceil((bytes.length + 1024) / 10_240) * 10_240 - bytes.length;
  return Buffer.concat([bytes, Buffer.alloc(end)]);
}

/** A header with its checksum made right again after a test bent it. */
export function summed(header: Buffer, bend: (header: Buffer) => void): Buffer {
  const copy = Buffer.from(header);
  bend(copy);
  copy.fill(0x20, 148, 156);
  const sum = copy.reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}
