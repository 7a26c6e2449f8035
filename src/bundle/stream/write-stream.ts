import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type Context, partInWords, Tally } from '../../core/context.ts';
import { type Sri, sriFromHex, sriHex } from '../../core/digest.ts';
import { interrupted, StowageError } from '../../core/error.ts';
import { CRC_SPAN_BYTES } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Part } from '../../format/part.ts';
import { BufferRing } from '../../io/buffer-ring.ts';
import { ioError } from '../../io/file.ts';
import { endOfArchive, headerOf, type TarEntry } from '../../io/tar-header.ts';
import { padding } from '../../io/ustar.ts';
import { spotsInWords } from '../damaged-spots.ts';
import { contentOf } from '../part-check.ts';
import { controlEntries, isTrustFile, streamedParts } from './stream-order.ts';

/** The files of a bundle. */
export interface StreamSource {
  readonly bundle: Bundle;
  /** Absolute paths, by path in the bundle. */
  readonly files: ReadonlyMap<string, string>;
  /** Expected digests of all files except `SHA512SUMS` and its signatures. */
  readonly sums: ReadonlyMap<string, Sri>;
  /** Paths of parts and installers that are left out; absent for none. */
  readonly omitted?: ReadonlySet<string>;
}

/** Consumes bytes; resolves when their buffer can be reused. */
export type Sink = (bytes: Uint8Array) => Promise<void>;

/** How many blocks of files are in memory, to be read or sent. */
const BLOCKS = 3;

/**
 * Writes a bundle as one tar, in the order in which the receiver can check it. Each file is read once. Every 4 MiB of a part are
 * sent only after their CRC-32 matched, which finds what a disk or a copy damaged; the receiver hashes what it gets.
 * The last 4 MiB of any other file are sent only after its digest matched. So a damaged file is never sent completely.
 * @returns the number of bytes written
 * @throws StowageError `part-damaged`, `part-missing`, `io-failed`, `interrupted`, naming the file; the stream ends there
 */
export async function writeStream(
  source: StreamSource,
  sink: Sink,
  { signal, emit }: Context,
): Promise<number> {
  const { bundle, files, omitted } = source;
  const parts = streamedParts(bundle).filter(({ part }) => omitted?.has(part.path) !== true);
  requireAll(source, [...controlEntries(bundle), ...parts.map(({ entry }) => entry)]);
  const total = parts.reduce((sum, { part }) => sum + part.size, 0);
  emit({ type: 'step', step: 'stream', subject: counted(parts.length, 'part') });
  let offset = 0;
  const tally = new Tally(emit, 'stream', total);
  const put = async (bytes: Uint8Array): Promise<void> => {
    if (signal.aborted)
      throw interrupted(signal, {
        hint: 'run the same command again; the receiver keeps what it finished',
      });
    if (bytes.length === 0) return;
    await sink(bytes);
    offset += bytes.length;
  };
  const signatures = [...files.keys()].filter((path) => path.startsWith('signatures/')).toSorted();
  const trust = [...files.keys()].filter(isTrustFile).toSorted();
  const blocks = new BufferRing(BLOCKS, CRC_SPAN_BYTES);
  let sending: Promise<void> = Promise.resolve();
  const send = (next: () => Promise<void>): Promise<void> => {
    sending = sending.then(next);
    sending.catch(() => {});
    return sending;
  };
  const output: FileOutput = { source, put, send, blocks };
  try {
    for (const path of ['SHA512SUMS', ...signatures, ...trust, 'bundle.json'])
      await writeFile({ path, executable: false }, output);
    for (const entry of controlEntries(bundle)) await writeFile(entry, output);
    for (const [index, { entry, part }] of parts.entries()) {
      tally.at(partInWords(index + 1, parts.length));
      await writeFile(entry, { ...output, part, onBytes: tally.add });
    }
    await sending;
  } finally {
    await blocks.quiet();
  }
  await put(endOfArchive(offset));
  return offset;
}

interface FileOutput {
  readonly source: StreamSource;
  readonly put: Sink;
  /** Sends something when everything before it was sent. */
  readonly send: (next: () => Promise<void>) => Promise<void>;
  /** Each {@link CRC_SPAN_BYTES} long. */
  readonly blocks: BufferRing;
  /** Absent for a control file. */
  readonly part?: Part;
  readonly onBytes?: (bytes: number) => void;
}

/**
 * Reads a file; the last of it may still be sent when the promise resolves.
 * @param entry with its size if the index states it
 */
async function writeFile(
  entry: Pick<TarEntry, 'path' | 'executable'> & Partial<TarEntry>,
  { source, put, send, blocks, part, onBytes }: FileOutput,
): Promise<void> {
  const { bundle, files } = source;
  const { path } = entry;
  const place = files.get(path) ?? path;
  const handle = await openFile(place);
  try {
    const { size } = await handle.stat();
    if (size !== (entry.size ?? size))
      throw damaged(path, bundle, counted(entry.size ?? 0, 'byte'), counted(size, 'byte'));
    const check = part === undefined ? checkDigest(path, source) : checkSpans(part, bundle);
    void send(() => put(headerOf({ ...entry, size })));
    if (size === 0) check.finish();
    for (let offset = 0; offset < size; ) {
      const bytes = (await blocks.next()).subarray(0, Math.min(CRC_SPAN_BYTES, size - offset));
      const filled = await fill(handle, bytes, offset, place);
      if (filled < bytes.length)
        throw damaged(path, bundle, counted(size, 'byte'), counted(offset + filled, 'byte'));
      check.span(bytes);
      offset += bytes.length;
      if (offset === size) check.finish();
      blocks.use(send(() => put(bytes)));
      onBytes?.(bytes.length);
    }
    void send(() => put(padding(size)));
  } finally {
    await handle.close();
  }
}

/** Checks a file before its bytes are sent. @throws StowageError `part-damaged` */
interface FileCheck {
  /** Is given each {@link CRC_SPAN_BYTES} of the file in order. */
  span(bytes: Buffer): void;
  /** Called before the last of them is sent. */
  finish(): void;
}

function checkSpans(part: Part, bundle: Bundle): FileCheck {
  const { path, size, sha512 } = part;
  let offset = 0;
  const span = (bytes: Buffer): void => {
    const at = (offset / CRC_SPAN_BYTES) * 8;
    const found = crc32(bytes).toString(16).padStart(8, '0');
    if (found !== part.crc32.slice(at, at + 8)) {
      const ranges = [{ offset, length: bytes.length }];
      const spans = Math.ceil(size / CRC_SPAN_BYTES);
      const spots = spotsInWords({ ranges, unreadable: 0, spans });
      throw damaged(path, bundle, sriHex(sha512), spots);
    }
    offset += bytes.length;
  };
  return { span, finish: () => {} };
}

function checkDigest(path: string, { bundle, sums }: StreamSource): FileCheck {
  const hash = createHash('sha512');
  return {
    span: (bytes) => void hash.update(bytes),
    finish: () => {
      const found = sriFromHex(hash.digest('hex'));
      const expected = sums.get(path) ?? found;
      if (found !== expected) throw damaged(path, bundle, sriHex(expected), sriHex(found));
    },
  };
}

async function openFile(path: string): Promise<FileHandle> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    return await open(path, flags);
  } catch (error) {
    throw ioError(error, path);
  }
}

async function fill(
  handle: FileHandle,
  buffer: Buffer,
  position: number,
  path: string,
): Promise<number> {
  let filled = 0;
  try {
    while (filled < buffer.length) {
      const at = position + filled;
      const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, at);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
  } catch (error) {
    throw ioError(error, path);
  }
  return filled;
}

/** Checked before the first byte is sent, so that no incomplete stream is started. */
function requireAll({ bundle, files }: StreamSource, entries: readonly TarEntry[]): void {
  const missing = entries.filter(({ path }) => !files.has(path));
  const [first] = missing;
  if (first === undefined) return;
  const more = missing.length === 1 ? '' : `, and ${missing.length - 1} more`;
  throw new StowageError('part-missing', `${first.path} is missing${more}`, {
    expected: nameOf(first.path, bundle),
    found: 'nothing',
    hint: 'give the folder of the complete bundle, or one that holds all of its discs; for an increment, give the receipts that it was made for with --for',
    defects: missing.slice(0, 50).map(({ path }) => `missing: ${path}`),
  });
}

function damaged(path: string, bundle: Bundle, expected: string, found: string): StowageError {
  return new StowageError('part-damaged', `${path} is damaged: ${nameOf(path, bundle)}`, {
    expected,
    found,
    hint: 'copy this file again from a complete copy; the receiving side accepts no damaged file',
  });
}

function nameOf(path: string, bundle: Bundle): string {
  const part = streamedParts(bundle).find((each) => each.part.path === path)?.part;
  return part === undefined ? 'a control file' : contentOf(bundle, part);
}
