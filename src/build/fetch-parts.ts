import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { interrupted } from '../core/interrupted.ts';
import { MIB } from '../core/limits.ts';
import type { OnBytes } from '../core/tally.ts';
import type { Incoming, SizedExpected } from '../io/incoming.ts';
import type { Span } from '../io/spans.ts';
import { release } from '../net/buffer-pool.ts';
import type { Origin, OriginPart } from '../source/origin.ts';
import { Persistence } from './persistence.ts';
import { type Transfer, waitNotice } from './transfer.ts';

/** A blob smaller than this comes over one connection. */
export const MIN_PARTS_BYTES: number = 16 * MIB;
/** What one request asks for: large enough that a Hub's limits on requests are far, and lost by no break. */
const PART_BYTES = 64 * MIB;
/** Connections for one blob. */
const PARTS_AT_ONCE = 4;
/** Bytes gathered before they are written. */
const WRITE_BYTES = MIB;

type PartOrigin = Origin & Required<Pick<Origin, 'part'>>;

/** Receives one blob over several connections, each asking for a stretch of it. */
export async function fetchInParts(
  transfer: Transfer,
  expected: SizedExpected,
  origin: PartOrigin,
  onBytes: OnBytes,
): Promise<Digest> {
  const { store, pool, signal, emit } = transfer;
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
      { onBytes: count, onWait, signal },
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
  #givesStretches = false;

  constructor(transfer: Transfer, origin: PartOrigin, incoming: Incoming, onBytes: OnBytes) {
    this.#transfer = transfer;
    this.#origin = origin;
    this.#incoming = incoming;
    this.#onBytes = onBytes;
    this.#queue = incoming.missing.flatMap(inPieces);
    this.#signal = AbortSignal.any([transfer.signal, this.#stop.signal]);
    this.#persistence = new Persistence(this.#signal);
  }

  /** Fetches what is missing. The first answer shows whether the server gives stretches; then the others ask too. */
  async run(): Promise<void> {
    let onAnswer = (): void => {};
    const answered = new Promise<void>((resolve) => {
      onAnswer = resolve;
    });
    const lanes = Array.from({ length: PARTS_AT_ONCE }, async (_, index) => {
      if (index > 0) await answered;
      await this.#lane(onAnswer);
    });
    lanes[0]?.then(onAnswer, onAnswer);
    const ended = await Promise.allSettled(lanes);
    if (this.#transfer.signal.aborted) throw interrupted(this.#transfer.signal);
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    for (const each of ended) if (each.status === 'rejected') throw each.reason;
  }

  async #lane(onAnswer: () => void): Promise<void> {
    try {
      for (let span = this.#queue.shift(); span !== undefined; span = this.#queue.shift()) {
        await this.#bring(span, onAnswer);
      }
    } catch (error) {
      // The first failure is the one to tell; the other connections are given up.
      this.#stop.abort(error);
      throw error;
    }
  }

  async #bring(span: Span, onAnswer: () => void): Promise<void> {
    for (;;) {
      const [gap] = this.#incoming.gaps(span);
      if (gap === undefined) return;
      if (this.#signal.aborted) throw interrupted(this.#signal);
      const gathered = new Gathered(this.#incoming, this.#onBytes);
      try {
        await this.#transfer.connections.hold(async () => {
          const part = await this.#origin.part(gap.start, gap.end, this.#signal);
          try {
            if (part.to !== undefined) {
              this.#givesStretches = true;
              onAnswer();
              await this.#write(part, gap, gathered);
            } else if (this.#givesStretches) throw strange(this.#origin);
            else await this.#writeWhole(part, gathered);
          } finally {
            await gathered.flush();
          }
        });
        if (gathered.bytes === 0) throw short(this.#origin, gap);
        this.#persistence.progress();
      } catch (error) {
        await this.#persistence.afterFailure(error, gathered.bytes > 0);
      }
    }
  }

  async #write(part: OriginPart, gap: Span, gathered: Gathered): Promise<void> {
    let position = part.from;
    for await (const chunk of part.body) {
      await gathered.put(position, chunk.subarray(0, gap.end - position), release);
      position += chunk.byteLength;
    }
  }

  /** What a server sends that knows no ranges: everything, of which only what is missing is kept. */
  async #writeWhole(part: OriginPart, gathered: Gathered): Promise<void> {
    let position = part.from;
    for await (const chunk of part.body) {
      const end = position + chunk.byteLength;
      for (const gap of this.#incoming.gaps({ start: position, end })) {
        const bytes = chunk.subarray(gap.start - position, gap.end - position);
        await gathered.put(gap.start, bytes);
      }
      position = end;
    }
  }
}

/** Chunks on their way to the disk, written some at a time while the next are gathered. */
class Gathered {
  /** How many were put here. */
  bytes = 0;
  readonly #incoming: Incoming;
  readonly #onBytes: OnBytes;
  #chunks: Uint8Array[] = [];
  #done: (() => void)[] = [];
  #start = 0;
  #held = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(incoming: Incoming, onBytes: OnBytes) {
    this.#incoming = incoming;
    this.#onBytes = onBytes;
  }

  /** @param done hears of the chunk when it is written, and may have its memory again */
  async put(
    position: number,
    chunk: Uint8Array,
    done: (chunk: Uint8Array) => void = () => {},
  ): Promise<void> {
    if (chunk.byteLength === 0) return;
    if (this.#held > 0 && position !== this.#start + this.#held) await this.#send();
    if (this.#held === 0) this.#start = position;
    this.#chunks.push(chunk);
    this.#done.push(() => done(chunk));
    this.#held += chunk.byteLength;
    this.bytes += chunk.byteLength;
    if (this.#held >= WRITE_BYTES) await this.#send();
  }

  async flush(): Promise<void> {
    await this.#send();
    await this.#writing;
  }

  /** Begins to write when what was sent before is written. */
  async #send(): Promise<void> {
    await this.#writing;
    if (this.#held === 0) return;
    const { start, bytes } = { start: this.#start, bytes: this.#held };
    const chunks = this.#chunks;
    const done = this.#done;
    this.#chunks = [];
    this.#done = [];
    this.#held = 0;
    this.#writing = this.#incoming.write(start, chunks).then(() => {
      for (const each of done) each();
      this.#onBytes(bytes);
    });
    // Whoever waits for it next hears of a failure.
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
