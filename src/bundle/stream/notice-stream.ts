import { dirname, join } from 'node:path';
import {
  MAX_NOTICE_BYTES,
  MAX_NOTICE_DOCUMENT_BYTES,
  MAX_SIGNATURE_BYTES,
  MAX_SIGNATURES,
  MIB,
} from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import type { Notice } from '../../format/notice.ts';
import { ByteSource, withBeginning } from '../../io/byte-source.ts';
import { remove, writeNew } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { listMedia } from '../../io/media.ts';
import { describeHeader, endOfArchive, headerOf, readHeader } from '../../io/tar-header.ts';
import { BLOCK_BYTES, padding } from '../../io/ustar.ts';
import { readSignature } from '../bundle-files.ts';
import { listedFiles } from '../inventory.ts';
import { readNotice, readNoticeFiles } from '../notice/read-notice.ts';
import { streamEnded, streamRefused } from './stream-order.ts';
import type { Sink } from './write-stream.ts';

/** The first file of the stream of a notice, by which a receiver tells it from a bundle. */
const FIRST = 'notice.json';
/** Names that are allowed before anything about the notice is known. */
const NAME =
  /^(?:notice\.json|SHA512SUMS|VERIFY\.txt|(?:documents|signatures|trust)\/[A-Za-z0-9][A-Za-z0-9._-]{0,250})$/;
/** A list of 1 MiB has no more lines. */
const MAX_FILES = 8000;
/** The documents, both lists and the signatures. */
const MAX_BYTES: number = MAX_NOTICE_BYTES + 4 * MIB + MAX_SIGNATURES * MAX_SIGNATURE_BYTES;

/**
 * Writes the folder of a notice as one tar: `notice.json`, then all other files in the order of their names. Each is compared with the
 * list before anything is written.
 * @returns the notice, its id, and the number of bytes written
 * @throws StowageError as {@link readNotice}; `file-unexpected`, `file-kind`, `io-failed`
 */
export async function writeNoticeStream(
  folder: string,
  sink: Sink,
): Promise<{ readonly notice: Notice; readonly id: string; readonly bytes: number }> {
  const read = await readNotice(folder);
  const files = new Map(await readNoticeFiles(folder, read));
  await listedFiles(folder, read.checksums);
  for (const { path, kind } of await listMedia(folder))
    if (kind !== 'folder' && path.startsWith('signatures/'))
      files.set(path, await readSignature(join(folder, path)));
  const rest = [...files.keys()].filter((path) => path !== FIRST).toSorted();
  let offset = 0;
  const put = async (bytes: Uint8Array): Promise<void> => {
    if (bytes.length > 0) await sink(bytes);
    offset += bytes.length;
  };
  for (const path of [FIRST, ...rest]) {
    const bytes = files.get(path) ?? Buffer.alloc(0);
    await put(headerOf({ path, size: bytes.length, executable: false }));
    await put(bytes);
    await put(padding(bytes.length));
  }
  await put(endOfArchive(offset));
  return { notice: read.notice, id: read.id, bytes: offset };
}

/** What a stream is of, and all of its bytes. */
export interface BegunStream {
  readonly isNotice: boolean;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Reads the beginning of a stream. It decides nothing but which checks the stream must pass. */
export async function beginStream(stream: AsyncIterable<Uint8Array>): Promise<BegunStream> {
  const iterator = stream[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length <= FIRST.length) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    head = Buffer.concat([head, value]);
  }
  const isNotice = head.subarray(0, FIRST.length + 1).equals(Buffer.from(`${FIRST}\0`));
  return { isNotice, chunks: withBeginning(head, iterator) };
}

/**
 * Writes the files of a notice that arrives through a pipe to a folder, which is emptied first. Nothing is parsed: names and amounts
 * are limited, and every header is compared with the only valid one.
 * @throws StowageError `stream-refused`, `stream-ended`, `io-failed`, `interrupted`
 */
export async function receiveNotice(
  chunks: AsyncIterable<Uint8Array>,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const source = new ByteSource(chunks, signal);
  const read = async (length: number, what: string): Promise<Buffer> => {
    const bytes = Buffer.alloc(length);
    if ((await source.fill(bytes)) < length) throw streamEnded(what, source.offset);
    return bytes;
  };
  await remove(folder);
  await makeFolder(folder, 0o700);
  let total = 0;
  let previous = '';
  for (let count = 0; ; count += 1) {
    const what = count === 0 ? FIRST : 'the header of a file';
    const { claim, bytes } = await readHeader((length) => read(length, what));
    if (count > 0 && bytes.every((byte) => byte === 0)) break;
    const isOurs = claim !== undefined && headerOf({ ...claim, executable: false }).equals(bytes);
    if (!isOurs || !NAME.test(claim.path))
      throw streamRefused('the header of a file of a notice', describeHeader(bytes));
    const { path, size } = claim;
    if (count === 0 ? path !== FIRST : path === FIRST || path <= previous)
      throw streamRefused(`${FIRST}, then sorted names`, path);
    total += size;
    if (size > MAX_NOTICE_DOCUMENT_BYTES || total > MAX_BYTES || count === MAX_FILES)
      throw streamRefused(
        `at most ${MAX_FILES} files of ${MAX_NOTICE_DOCUMENT_BYTES} bytes each and ${MAX_BYTES} in all`,
        `${path} of ${counted(size, 'byte')}`,
      );
    if (count > 0) previous = path;
    const content = await read(size, path);
    requireZeros(await read(padding(size).length, path), `zeros after ${path}`);
    await makeFolder(dirname(join(folder, path)));
    await writeNew(join(folder, path), content);
  }
  // Its first block was read in place of a header.
  const end = endOfArchive(source.offset - BLOCK_BYTES).length - BLOCK_BYTES;
  requireZeros(await read(end, 'the end of the archive'), 'zeros at the end of the archive');
  if ((await source.next(1)).length > 0)
    throw streamRefused('nothing after the end of the archive', 'more bytes');
}

function requireZeros(bytes: Buffer, expected: string): void {
  if (bytes.some((byte) => byte !== 0)) throw streamRefused(expected, 'different bytes');
}
