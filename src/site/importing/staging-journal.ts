import { dirname } from 'node:path';
import { MAX_INDEX_BYTES } from '../../core/limits.ts';
import type { Part } from '../../format/part.ts';
import { appendLine, readIfThere, remove, syncFolder, writeAtomic } from '../../io/file.ts';

/** The finished parts, one line each; a line is appended after the fsync of its part. */
export class StagingJournal {
  readonly #path: string;
  /** The SHA-512 of each part, by its path. */
  readonly #parts: Map<string, string>;
  #stale = false;

  private constructor(path: string, parts: Map<string, string>) {
    this.#path = path;
    this.#parts = parts;
  }

  static async open(path: string): Promise<StagingJournal> {
    const bytes = await readIfThere(path, MAX_INDEX_BYTES);
    // A line cut short by a power failure names no part: that part is copied again.
    const lines = bytes?.toString('utf8').split('\n') ?? [];
    const parts = lines.map((each) => each.split(' ')).filter((words) => words.length === 2);
    return new StagingJournal(path, new Map(parts as [string, string][]));
  }

  has(part: Part): boolean {
    return this.#parts.get(part.path) === part.sha512;
  }

  async add(parts: readonly Part[]): Promise<void> {
    if (parts.length === 0) return;
    await appendLine(this.#path, parts.map(line).join('\n'));
    for (const { path, sha512 } of parts) this.#parts.set(path, sha512);
  }

  /** Removes parts whose bytes are no longer as they were. */
  async drop(parts: readonly Part[]): Promise<void> {
    if (parts.length === 0) return;
    for (const part of parts) if (this.has(part)) this.#parts.delete(part.path);
    const left = [...this.#parts].map(([path, sha512]) => `${path} ${sha512}\n`);
    await writeAtomic(this.#path, Buffer.from(left.join('')));
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

function line({ path, sha512 }: Part): string {
  return `${path} ${sha512}`;
}
