import { fstatSync, read, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import { interrupted } from '../core/error.ts';
import { CRC_SPAN_BYTES, READ_BUFFER_BYTES } from '../core/limits.ts';
import { ioError } from './file.ts';

/** Bytes in chunks of any size; they may come from a pipe that fills a buffer directly, or from a file. */
type Chunks = AsyncIterator<Uint8Array> & {
  /** Undefined where the bytes do not go to the buffer directly. */
  fill?(buffer: Uint8Array): Promise<number | undefined>;
  readonly file?: StreamFile | undefined;
};

/** The file that holds all bytes of a stream. */
export interface StreamFile {
  readonly descriptor: number;
  /** Skips bytes. @returns where they begin; undefined if the file has fewer */
  skip(length: number): number | undefined;
}

/** Sequential bytes, such as those of a pipe, read in amounts of any size; holds at most one chunk. */
export class ByteSource {
  readonly #chunks: Chunks;
  readonly #signal: AbortSignal;
  #abort: () => void = () => {};
  #rest: Uint8Array = new Uint8Array();
  #offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#abort(), { once: true });
  }

  /** How many bytes were read. */
  get offset(): number {
    return this.#offset;
  }

  /** The descriptor of the file that the bytes are in; undefined for a pipe. */
  get file(): number | undefined {
    return this.#chunks.file?.descriptor;
  }

  /**
   * Skips bytes that are read from {@link file} elsewhere.
   * @returns where they begin; undefined if they must be read here
   */
  skip(length: number): number | undefined {
    const held = this.#rest.length;
    const after = length < held ? undefined : this.#chunks.file?.skip(length - held);
    if (after === undefined) return undefined;
    this.#rest = new Uint8Array();
    this.#offset += length;
    return after - held;
  }

  /** The next bytes, 1 to `most`; empty at the end. Valid until the next call. */
  async next(most: number): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#abortable(() => this.#chunks.next());
      if (done === true) return new Uint8Array();
      this.#rest = value;
    }
    const bytes = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(bytes.length);
    this.#offset += bytes.length;
    return bytes;
  }

  // Not Promise.race with one abort promise: that would keep every chunk in memory.
  #abortable<T>(run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#abort = (): void => reject(interrupted(this.#signal));
      if (this.#signal.aborted) this.#abort();
      else run().then(resolve, reject);
    });
  }

  /** Fills a buffer. @returns how many bytes were read; fewer only at the end */
  async fill(buffer: Buffer): Promise<number> {
    let filled = 0;
    while (filled < buffer.length) {
      if (this.#rest.length === 0 && buffer.length - filled >= DIRECT_BYTES) {
        const rest = buffer.subarray(filled);
        const read = await this.#abortable(async () => this.#chunks.fill?.(rest));
        this.#offset += read ?? 0;
        if (read !== undefined) return filled + read;
      }
      const bytes = await this.next(buffer.length - filled);
      if (bytes.length === 0) break;
      buffer.set(bytes, filled);
      filled += bytes.length;
    }
    return filled;
  }
}

/** All bytes of a source whose first ones were already read. */
export function withBeginning(
  beginning: Uint8Array,
  rest: Chunks,
): AsyncIterable<Uint8Array> & Chunks {
  let pending = beginning.length > 0;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: async () => {
      if (!pending) return rest.next();
      pending = false;
      return { done: false, value: beginning };
    },
    fill: async (buffer) => (pending ? undefined : rest.fill?.(buffer)),
    get file() {
      return pending ? undefined : rest.file;
    },
  };
}

/** Less than this is read ahead, with what follows it. */
const DIRECT_BYTES: number = READ_BUFFER_BYTES;
/** More than any record of a tape. */
const RECORD_BYTES: number = CRC_SPAN_BYTES;

/** The bytes of a pipe, a file or a device. Each chunk is valid until the next one is requested. */
export interface PipedBytes extends AsyncIterableIterator<Uint8Array> {
  /**
   * Reads into a buffer of at least {@link READ_BUFFER_BYTES} until it is full. Absent where only whole records can be read.
   * @returns how many bytes were read; fewer only at the end
   */
  fill?(buffer: Uint8Array): Promise<number>;
  /** Absent for what is no file. */
  readonly file?: StreamFile;
  /** Closes a pipe, so that its writer does not block. */
  destroy(): void;
}

/**
 * Reads a descriptor from its position on, into buffers that are used again; Node's own stream allocates memory for each chunk,
 * and reads so little at once that it fails at the records of a tape.
 * @returns undefined for a terminal, and for what is neither a pipe nor a file nor a device, such as a socket
 */
export function readDescriptor(fd: number): PipedBytes | undefined {
  const status = fstatSync(fd);
  if (status.isFIFO()) return readPipe(fd);
  const start = status.isFile() ? positionOf(fd) : undefined;
  if (start !== undefined) return readRegular(fd, status.size, start);
  const isDevice = status.isBlockDevice() || (status.isCharacterDevice() && !isatty(fd));
  return isDevice || status.isFile() ? readRecords(fd) : undefined;
}

const readAt = promisify(read);

/** Reads what has no offsets, such as a device. A tape returns one record at a time, and fails if there is no room for all of it. */
function readRecords(fd: number): PipedBytes {
  const record = Buffer.allocUnsafeSlow(RECORD_BYTES);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: async () => chunkOf(record, await readSome(fd, record, null)),
    destroy: () => {},
  };
}

function readRegular(fd: number, size: number, start: number): PipedBytes {
  const first = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  let position = start;
  const read = async (buffer: Uint8Array): Promise<number> => {
    const bytes = await readSome(fd, buffer, position);
    position += bytes;
    return bytes;
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    // Not until the buffer is full: what follows may be unreadable, and is for others to read.
    next: async () => chunkOf(first, await read(first)),
    fill: async (buffer) => {
      for (let filled = 0; ; ) {
        const bytes = await read(buffer.subarray(filled));
        filled += bytes;
        if (bytes === 0 || filled === buffer.length) return filled;
      }
    },
    file: {
      descriptor: fd,
      skip: (length) => {
        if (position + length > size) return undefined;
        position += length;
        return position - length;
      },
    },
    destroy: () => {},
  };
}

/** @param position null for where the descriptor is @throws StowageError `io-failed` */
async function readSome(fd: number, buffer: Uint8Array, position: number | null): Promise<number> {
  try {
    return (await readAt(fd, buffer, 0, buffer.length, position)).bytesRead;
  } catch (error) {
    throw ioError(error, 'stdin');
  }
}

function chunkOf(buffer: Uint8Array, length: number): IteratorResult<Uint8Array> {
  return length === 0
    ? { done: true, value: undefined }
    : { done: false, value: buffer.subarray(0, length) };
}

/**
 * Where a descriptor is in its file: others may have read from it before, such as `head` in a script. Undefined where the system
 * does not tell.
 */
function positionOf(fd: number): number | undefined {
  try {
    const found = /^pos:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'));
    return found?.[1] === undefined ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}

/** A request for bytes. */
interface Waiting {
  /** Consumes bytes that were read. @returns where the next ones go; undefined if that is enough */
  take(bytes: Uint8Array): Uint8Array | undefined;
  end(): void;
  reject(error: unknown): void;
}

function readPipe(fd: number): PipedBytes & Required<Pick<PipedBytes, 'fill'>> {
  // The first bytes of each request go here: where they are wanted is not known before.
  const first = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  let next: Uint8Array = first;
  let waiting: Waiting | undefined;
  let failure: unknown;
  /** Was read before it was requested: a socket reads once when it is made. */
  let early: Uint8Array | undefined;
  const take = (bytes: Uint8Array): boolean => {
    const more = waiting?.take(bytes);
    if (waiting === undefined) early = bytes;
    next = more ?? first;
    if (more === undefined) waiting = undefined;
    return more !== undefined;
  };
  const buffer = (): Uint8Array => next;
  // Nothing is read until it is requested.
  const callback = (length: number, bytes: Uint8Array): boolean => take(bytes.subarray(0, length));
  const socket = new Socket({ fd, readable: true, writable: false, onread: { buffer, callback } });
  const conclude = (): void => {
    const asked = waiting;
    waiting = undefined;
    if (failure === undefined) asked?.end();
    else asked?.reject(failure);
  };
  socket.on('error', (error) => (failure = ioError(error, 'stdin'))).on('close', conclude);
  const request = (wanted: Waiting): void => {
    waiting = wanted;
    const bytes = early;
    early = undefined;
    if (bytes !== undefined && !take(bytes)) return;
    if (socket.destroyed) conclude();
    else socket.resume();
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () =>
      new Promise((resolve, reject) => {
        request({
          take: (value) => void resolve({ done: false, value }),
          end: () => resolve({ done: true, value: undefined }),
          reject,
        });
      }),
    fill: (target) =>
      new Promise((resolve, reject) => {
        let filled = 0;
        request({
          take: (bytes) => {
            if (bytes.buffer === first.buffer) target.set(bytes);
            filled += bytes.length;
            if (filled < target.length) return target.subarray(filled);
            resolve(filled);
            return undefined;
          },
          end: () => resolve(filled),
          reject,
        });
      }),
    destroy: () => void socket.destroy(),
  };
}
