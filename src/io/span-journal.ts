import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { StowageError } from '../core/error.ts';
import { MIB } from '../core/limits.ts';
import { ioError, readBounded, remove, writeAtomic } from './file.ts';
import { type Span, Spans } from './spans.ts';

const MAX_JOURNAL_BYTES: number = 64 * MIB;
/** How much is written between records: the most that a kill loses, over all connections. */
const NOTE_BYTES: number = 4 * MIB;

/**
 * A record of which bytes of a partial file were written: a line `start end` for each range. It is not synced: it
 * survives the process, and the hash of the whole blob detects a record that a crash of the host damaged.
 */
export class SpanJournal {
  readonly spans: Spans;
  readonly #handle: FileHandle;
  #pending = new Spans();

  private constructor(handle: FileHandle, spans: Spans) {
    this.#handle = handle;
    this.spans = spans;
  }

  /** Opens a journal for writing; atomically replaces its content with `spans`. */
  static async open(path: string, spans: Spans): Promise<SpanJournal> {
    await writeAtomic(path, Buffer.from(linesOf(spans)));
    try {
      const { O_WRONLY, O_APPEND, O_NOFOLLOW } = constants;
      return new SpanJournal(await open(path, O_WRONLY | O_APPEND | O_NOFOLLOW), spans);
    } catch (error) {
      throw ioError(error, path);
    }
  }

  /** Records a written range: immediately in memory, on disk together with later ones. */
  async add(span: Span): Promise<void> {
    this.spans.add(span);
    this.#pending.add(span);
    if (this.#pending.bytes >= NOTE_BYTES) await this.#note();
  }

  /** Writes the rest, and closes the file. */
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
 * Reads the journal of a partial file of `fileBytes`; undefined if there is none. Stops at a line that is incomplete or
 * names bytes beyond the file.
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
