import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { StowageError } from '../core/error.ts';
import { MIB } from '../core/limits.ts';
import { ioError, readBounded, remove, writeAtomic } from './file.ts';
import { type Span, Spans } from './spans.ts';

const MAX_JOURNAL_BYTES: number = 64 * MIB;
/** How much is written before it is noted: what a kill loses, at most, of all connections together. */
const NOTE_BYTES: number = 4 * MIB;

/**
 * The note of which bytes of an unfinished file are there: a line `start end` for each stretch that was written. It is
 * not synced: it outlives the process, and what a lost host made of it is found out by the hash of the whole.
 */
export class SpanJournal {
  readonly spans: Spans;
  readonly #handle: FileHandle;
  #pending = new Spans();

  private constructor(handle: FileHandle, spans: Spans) {
    this.#handle = handle;
    this.spans = spans;
  }

  /** Opens a journal for writing; what it said is replaced by `spans`, in one step. */
  static async open(path: string, spans: Spans): Promise<SpanJournal> {
    await writeAtomic(path, Buffer.from(linesOf(spans)));
    try {
      const { O_WRONLY, O_APPEND, O_NOFOLLOW } = constants;
      return new SpanJournal(await open(path, O_WRONLY | O_APPEND | O_NOFOLLOW), spans);
    } catch (error) {
      throw ioError(error, path);
    }
  }

  /** Notes a stretch whose bytes were written: at once for who asks, on disk with the next ones. */
  async add(span: Span): Promise<void> {
    this.spans.add(span);
    this.#pending.add(span);
    if (this.#pending.bytes >= NOTE_BYTES) await this.#note();
  }

  /** Notes the rest, and lets go of the file. */
  async close(): Promise<void> {
    try {
      await this.#note();
    } finally {
      await this.#handle.close();
    }
  }

  async #note(): Promise<void> {
    const pending = this.#pending;
    this.#pending = new Spans();
    const lines = linesOf(pending);
    if (lines !== '') await this.#handle.write(lines);
  }
}

function linesOf(spans: Iterable<Span>): string {
  return [...spans].map(({ start, end }) => `${start} ${end}\n`).join('');
}

/**
 * What a journal says of an unfinished file of `fileBytes`; undefined when there is none. A line that is not whole,
 * or about bytes that the file does not have, ends what is believed.
 */
export async function readSpans(path: string, fileBytes: number): Promise<Spans | undefined> {
  let text: string;
  try {
    text = (await readBounded(path, MAX_JOURNAL_BYTES)).toString('latin1');
  } catch (error) {
    if (error instanceof StowageError && error.code === 'file-missing') return undefined;
    await remove(path);
    return undefined;
  }
  const spans = new Spans();
  for (const line of text.split('\n').slice(0, -1)) {
    const [, start, end] = (/^(\d{1,15}) (\d{1,15})$/.exec(line) ?? []).map(Number);
    if (start === undefined || end === undefined || start >= end || end > fileBytes) break;
    spans.add({ start, end });
  }
  return spans;
}
