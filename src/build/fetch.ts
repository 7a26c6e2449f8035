import type { OnBytes } from '../core/context.ts';
import type { Digest } from '../core/digest.ts';
import { interrupted, StowageError } from '../core/error.ts';
import { MIB } from '../core/limits.ts';
import type { Incoming, SizedExpected } from '../io/incoming.ts';
import type { Expected } from '../io/running-hashes.ts';
import type { Span } from '../io/spans.ts';
import { release, releasing, retain } from '../net/buffer-pool.ts';
import type { Origin, OriginPart } from '../source/origin.ts';
import { Persistence, type Transfer, waitNotice } from './transfer.ts';

/** Smaller blobs are downloaded over one connection. */
export const MIN_PARTS_BYTES: number = 16 * MIB;
/** Size of the range in one request: large enough to stay well below a Hub's rate limits. An interruption loses no bytes. */
const PART_BYTES = 64 * MIB;
/** Connections for one blob. */
const PARTS_AT_ONCE = 4;
/** How often connections are added, if the hashing threads wait for bytes. */
const OBSERVATION_INTERVAL_MS = 200;
/** Bytes that are buffered before they are written. */
const WRITE_BYTES = MIB;

type PartOrigin = Origin & Required<Pick<Origin, 'part'>>;

/** Downloads one blob over several connections, each requesting ranges. */
export async function fetchInParts(
  transfer: Transfer,
  expected: SizedExpected,
  origin: PartOrigin,
  onBytes: OnBytes,
): Promise<Digest> {
  const { store, pool, signal, emit, uncached = false } = transfer;
  const onWait = waitNotice(emit, expected.label ?? origin.description);
  let counted = 0;
  const count: OnBytes = (bytes, kept) => {
    counted += bytes;
    onBytes(bytes, kept);
  };
  try {
    return await store.receiveParts(
      expected,
      (incoming) => new PartsFetch(transfer, origin, incoming, count).run(),
      pool,
      { onBytes: count, onWait, signal, uncached },
    );
  } catch (error) {
    onBytes(-counted);
    throw error;
  }
}

class PartsFetch {
  readonly #transfer: Transfer;
  readonly #origin: PartOrigin;
  readonly #incoming: Incoming;
  readonly #queue: Span[];
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #persistence: Persistence;
  readonly #onBytes: OnBytes;
  #supportsRanges = false;
  /** Every connection so far, in their order, and how many of them are in use. */
  readonly #lanes: Promise<void>[] = [];
  #running = 0;
  #observing: NodeJS.Timeout | undefined;

  constructor(transfer: Transfer, origin: PartOrigin, incoming: Incoming, onBytes: OnBytes) {
    this.#transfer = transfer;
    this.#origin = origin;
    this.#incoming = incoming;
    this.#onBytes = onBytes;
    this.#queue = incoming.missing.flatMap(inPieces);
    this.#signal = AbortSignal.any([transfer.signal, this.#stop.signal]);
    this.#persistence = new Persistence(this.#signal);
  }

  /** Downloads the missing bytes. */
  async run(): Promise<void> {
    this.#addConnections(1);
    try {
      // None is added after the first one has ended: nothing is left to request.
      for (const lane of this.#lanes) await lane;
    } finally {
      clearInterval(this.#observing);
    }
    if (this.#transfer.signal.aborted) throw interrupted(this.#transfer.signal);
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
  }

  /**
   * Adds connections, now that a response has shown that the server supports ranges. If one file keeps all hashing threads
   * busy, then only while they wait for bytes: what is received ahead of the first connection has to be read back.
   */
  #onRangeSupport(): void {
    if (this.#supportsRanges) return;
    this.#supportsRanges = true;
    if (this.#transfer.pool.hasSpareThreads) {
      this.#addConnections(PARTS_AT_ONCE);
      return;
    }
    let before = this.#incoming.idleMs;
    this.#observing = setInterval(() => {
      const idle = this.#incoming.idleMs - before;
      before += idle;
      if (idle > OBSERVATION_INTERVAL_MS / 2) this.#addConnections(PARTS_AT_ONCE);
    }, OBSERVATION_INTERVAL_MS);
  }

  #addConnections(connections: number): void {
    while (this.#running < connections && this.#queue.length > 0)
      this.#lanes.push(this.#lane(this.#lanes.length === 0));
  }

  /** One request after another. All but the first end when bytes arrive faster than they are hashed. */
  async #lane(isFirst: boolean): Promise<void> {
    this.#running += 1;
    try {
      for (let span = this.#queue.shift(); span !== undefined; span = this.#queue.shift()) {
        const before = this.#incoming.idleMs;
        const start = performance.now();
        await this.#download(span);
        const idle = (this.#incoming.idleMs - before) / (performance.now() - start);
        if (!isFirst && idle < 0.5 && !this.#transfer.pool.hasSpareThreads) return;
      }
    } catch (error) {
      // Only the first failure is reported; the other connections are closed.
      this.#stop.abort(error);
    } finally {
      this.#running -= 1;
    }
  }

  async #download(span: Span): Promise<void> {
    for (;;) {
      const [gap] = this.#incoming.gaps(span);
      if (gap === undefined) return;
      if (this.#signal.aborted) throw interrupted(this.#signal);
      const buffer = new WriteBuffer(this.#incoming, this.#onBytes);
      try {
        await this.#transfer.connections.hold(async () => {
          const part = await this.#origin.part(gap.start, gap.end, this.#signal);
          try {
            if (part.to !== undefined) {
              this.#onRangeSupport();
              await this.#write(part, gap, buffer);
            } else if (this.#supportsRanges) throw strange(this.#origin);
            else await this.#writeWhole(part, buffer);
          } finally {
            await buffer.flush();
          }
        });
        if (buffer.bytes === 0) throw short(this.#origin, gap);
        this.#persistence.progress();
      } catch (error) {
        await this.#persistence.afterFailure(error, buffer.bytes > 0);
      }
    }
  }

  async #write(part: OriginPart, gap: Span, buffer: WriteBuffer): Promise<void> {
    let position = part.from;
    for await (const chunk of part.body) {
      await buffer.put(position, chunk.subarray(0, gap.end - position));
      position += chunk.byteLength;
    }
  }

  /** Reads the response of a server without range support: the whole file, of which only the missing bytes are kept. */
  async #writeWhole(part: OriginPart, buffer: WriteBuffer): Promise<void> {
    let position = part.from;
    for await (const chunk of part.body) {
      const end = position + chunk.byteLength;
      for (const gap of this.#incoming.gaps({ start: position, end })) {
        const bytes = retain(chunk, gap.start - position, gap.end - position);
        await buffer.put(gap.start, bytes);
      }
      release(chunk);
      position = end;
    }
  }
}

/** Buffers chunks and writes several at a time, while the next ones are received. */
class WriteBuffer {
  /** Total bytes received. */
  bytes = 0;
  readonly #incoming: Incoming;
  readonly #onBytes: OnBytes;
  #chunks: Uint8Array[] = [];
  #start = 0;
  #held = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(incoming: Incoming, onBytes: OnBytes) {
    this.#incoming = incoming;
    this.#onBytes = onBytes;
  }

  /** Adds a chunk, which is released when it is written and hashed. */
  async put(position: number, chunk: Uint8Array): Promise<void> {
    if (chunk.byteLength === 0) return;
    if (this.#held > 0 && position !== this.#start + this.#held) await this.#send();
    if (this.#held === 0) this.#start = position;
    this.#chunks.push(chunk);
    this.#held += chunk.byteLength;
    this.bytes += chunk.byteLength;
    if (this.#held >= WRITE_BYTES) await this.#send();
  }

  async flush(): Promise<void> {
    await this.#send();
    await this.#writing;
  }

  /** Starts to write the buffered chunks once the previous write has finished. */
  async #send(): Promise<void> {
    await this.#writing;
    if (this.#held === 0) return;
    const { start, bytes } = { start: this.#start, bytes: this.#held };
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#held = 0;
    this.#writing = this.#incoming.write(start, chunks, release).then(() => this.#onBytes(bytes));
    // The next call that awaits #writing throws the error.
    this.#writing.catch(() => {});
  }
}

function inPieces({ start, end }: Span): Span[] {
  const count = Math.ceil((end - start) / PART_BYTES);
  return Array.from({ length: count }, (_, index) => ({
    start: start + index * PART_BYTES,
    end: Math.min(end, start + (index + 1) * PART_BYTES),
  }));
}

function short({ description }: Origin, { start, end }: Span): StowageError {
  return new StowageError('source-unreachable', `the source of ${description} ended early`, {
    expected: `the bytes from ${start} to ${end}`,
    found: 'none of them',
    hint: 'run the same command again; it resumes where it stopped',
  });
}

function strange({ description }: Origin): StowageError {
  return new StowageError('source-unreachable', `cannot fetch a part of ${description}`, {
    expected: 'the requested bytes, as before',
    found: 'the whole file from its beginning',
    hint: 'run the same command again; it resumes where it stopped',
  });
}

/**
 * Downloads one blob into the store, and resumes where the connection broke. Ranges of a large blob are downloaded in
 * parallel if its source supports ranges. Fails after several attempts in a row without progress.
 * @param onBytes called with the number of bytes received; negative for bytes that are discarded
 */
export async function fetchBlob(
  transfer: Transfer,
  expected: Expected,
  origin: Origin,
  onBytes: OnBytes = () => {},
): Promise<Digest> {
  const { size } = expected;
  const { part } = origin;
  return part !== undefined && size !== undefined && size >= MIN_PARTS_BYTES
    ? fetchInParts(transfer, { ...expected, size }, { ...origin, part }, onBytes)
    : fetchInOrder(transfer, expected, origin, onBytes);
}

/** Downloads one blob from its first byte to its last, over one connection at a time. */
export async function fetchInOrder(
  { store, signal, emit, connections, partSize }: Omit<Transfer, 'pool'>,
  expected: Expected,
  origin: Origin,
  onBytes: OnBytes,
): Promise<Digest> {
  const persistence = new Persistence(signal);
  const onWait = waitNotice(emit, expected.label ?? origin.description);
  const size = partSize === undefined ? {} : { partSize };
  for (;;) {
    let offered = 0;
    let counted = 0;
    const count: OnBytes = (bytes, kept) => {
      counted += bytes;
      onBytes(bytes, kept);
    };
    try {
      return await connections.hold(() =>
        store.receive(
          expected,
          async (offset) => {
            offered = offset;
            return releasing(await origin.open(offset, signal));
          },
          { onBytes: count, onWait, signal, ...size },
        ),
      );
    } catch (error) {
      // The received bytes stay on disk; the next attempt counts them again.
      onBytes(-counted);
      await persistence.afterFailure(error, counted > offered);
    }
  }
}
