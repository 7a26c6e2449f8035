import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Context, partInWords, Tally } from '../../core/context.ts';
import { type Sri, sriHex } from '../../core/digest.ts';
import { interrupted, StowageError } from '../../core/error.ts';
import { CRC_SPAN_BYTES, READ_BUFFER_BYTES } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import { BufferRing } from '../../io/buffer-ring.ts';
import { ioError } from '../../io/file.ts';
import { FollowPool, hashHere } from '../../io/follow-pool.ts';
import { endOfArchive, headerOf, type TarEntry } from '../../io/tar-header.ts';
import { padding } from '../../io/ustar.ts';
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

/** Smaller files are hashed on this thread: another one would take longer to ask. */
const THREADED_FROM_BYTES: number = READ_BUFFER_BYTES;

/** How many blocks of files are in memory, to be hashed or sent. */
const BLOCKS = 8;

/**
 * Writes a bundle as one tar, in the order in which the receiver can check it. Each file is read once, into blocks that
 * are hashed and sent; its last 4 MiB are sent only after its digest matched, so that a damaged file is never sent
 * completely.
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
  const pool = new FollowPool();
  let sending: Promise<void> = Promise.resolve();
  const send = (next: () => Promise<void>): Promise<void> => {
    sending = sending.then(next);
    sending.catch(() => {});
    return sending;
  };
  const output: FileOutput = { source, put, send, blocks, pool };
  try {
    for (const path of ['SHA512SUMS', ...signatures, ...trust, 'bundle.json'])
      await writeFile({ path, executable: false }, output);
    for (const entry of controlEntries(bundle)) await writeFile(entry, output);
    for (const [index, { entry }] of parts.entries()) {
      tally.at(partInWords(index + 1, parts.length));
      await writeFile(entry, { ...output, onBytes: tally.add });
    }
    await sending;
  } finally {
    await blocks.quiet();
    await pool.close();
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
  readonly pool: FollowPool;
  readonly onBytes?: (bytes: number) => void;
}

/**
 * Reads a file; the last of it may still be sent when the promise resolves.
 * @param entry with its size if the index states it
 */
async function writeFile(
  entry: Pick<TarEntry, 'path' | 'executable'> & Partial<TarEntry>,
  { source, put, send, blocks, pool, onBytes }: FileOutput,
): Promise<void> {
  const { bundle, files, sums } = source;
  const { path } = entry;
  const place = files.get(path) ?? path;
  const handle = await openFile(place);
  try {
    const { size } = await handle.stat();
    if (size !== (entry.size ?? size))
      throw damaged(path, bundle, counted(entry.size ?? 0, 'byte'), counted(size, 'byte'));
    const hash = size < THREADED_FROM_BYTES ? hashHere() : pool.hash();
    const requireIntact = async (): Promise<void> => {
      const found = await hash.finish();
      const expected = sums.get(path) ?? found;
      if (found !== expected) throw damaged(path, bundle, sriHex(expected), sriHex(found));
    };
    void send(() => put(headerOf({ ...entry, size })));
    if (size === 0) void send(requireIntact);
    for (let offset = 0; offset < size; ) {
      const bytes = (await blocks.next()).subarray(0, Math.min(CRC_SPAN_BYTES, size - offset));
      const filled = await fill(handle, bytes, offset, place);
      if (filled < bytes.length)
        throw damaged(path, bundle, counted(size, 'byte'), counted(offset + filled, 'byte'));
      offset += bytes.length;
      const hashed = hash.update(bytes);
      if (offset === size) void send(requireIntact);
      const sent = send(() => put(bytes));
      blocks.use(Promise.all([hashed, sent]));
      onBytes?.(bytes.length);
    }
    void send(() => put(padding(size)));
  } finally {
    await handle.close();
  }
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
    hint: 'give the folder of the complete bundle, or one that holds all of its discs',
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
