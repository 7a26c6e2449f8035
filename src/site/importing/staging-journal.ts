import { dirname } from 'node:path';
import { MAX_INDEX_BYTES } from '../../core/limits.ts';
import type { Part } from '../../format/part.ts';
import { appendLine, readIfThere, remove, syncFolder, writeAtomic } from '../../io/file.ts';

/** The finished parts, one line each; a line is appended after the fsync of its part. */
export class StagingJournal {
  readonly #path: string;
  readonly #parts: Set<string>;
  #stale = false;

  private constructor(path: string, parts: Set<string>) {
    this.#path = path;
    this.#parts = parts;
  }

  static async open(path: string): Promise<StagingJournal> {
    const bytes = await readIfThere(path, MAX_INDEX_BYTES);
    // A line cut short by a power failure names no part: that part is copied again.
    return new StagingJournal(path, new Set(bytes?.toString('utf8').split('\n')));
  }

  has(part: Part): boolean {
    return this.#parts.has(line(part));
  }

  async add(parts: readonly Part[]): Promise<void> {
    if (parts.length === 0) return;
    const lines = parts.map(line);
    await appendLine(this.#path, lines.join('\n'));
    for (const each of lines) this.#parts.add(each);
  }

  /** Removes parts whose bytes are no longer as they were. */
  async drop(parts: readonly Part[]): Promise<void> {
    if (parts.length === 0) return;
    for (const part of parts) this.#parts.delete(line(part));
    const left = [...this.#parts].filter((each) => each !== '');
    await writeAtomic(this.#path, Buffer.from(left.map((each) => `${each}\n`).join('')));
  }

  /** Forgets every part; the file is removed by {@link removeStale}. */
  forget(): void {
    this.#parts.clear();
    this.#stale = true;
  }

  /** Removes the file after {@link forget}. */
  async removeStale(): Promise<void> {
    if (!this.#stale) return;
    await remove(this.#path);
    await syncFolder(dirname(this.#path));
    this.#stale = false;
  }
}

function line(part: Part): string {
  return `${part.path} ${part.sha512}`;
}
