import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MAX_QUESTIONS_BYTES } from '../../core/limits.ts';
import type { QuestionResult } from '../../format/evaluation-result.ts';
import { ioError, readIfThere, remove, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';

/** What was kept of an earlier run. */
interface Kept {
  readonly results: readonly QuestionResult[];
  readonly milliseconds: number;
}

interface Line {
  readonly result: QuestionResult;
  /** How long questions had been asked by then, of all runs. */
  readonly spent: number;
}

/** Room for the answers, each beside what is kept of its question. */
const MAX_JOURNAL_BYTES = 4 * MAX_QUESTIONS_BYTES;

/**
 * The answers of a run that is not complete, one line each, so that a run that was killed goes on. The first line names the
 * run; that of another run is not read. Lines are written at once, and are not synced each: after a power failure, some
 * questions are asked again.
 */
export class AnswerJournal {
  readonly #path: string;
  readonly #run: string;
  #handle: FileHandle | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param run a digest of everything that decides the answers */
  constructor(path: string, run: string) {
    this.#path = path;
    this.#run = run;
  }

  /** The answers of the same run that were kept; none for another run. @throws StowageError `io-failed` */
  async begin(): Promise<Kept> {
    const bytes = await readIfThere(this.#path, MAX_JOURNAL_BYTES).catch(() => undefined);
    const lines = (bytes ?? Buffer.alloc(0)).toString('utf8').split('\n');
    const kept = lines[0] === this.#run ? lines.slice(1).flatMap(parsed) : [];
    await makeFolder(dirname(this.#path));
    // A kill here leaves the journal as it was.
    const whole = [this.#run, ...kept.map((each) => JSON.stringify(each))];
    await writeAtomic(this.#path, Buffer.from(`${whole.join('\n')}\n`), 0o600);
    try {
      this.#handle = await open(this.#path, 'a');
    } catch (error) {
      throw ioError(error, this.#path);
    }
    return {
      results: kept.map(({ result }) => result),
      milliseconds: Math.max(0, ...kept.map(({ spent }) => spent)),
    };
  }

  /** Keeps an answer. @throws StowageError `io-failed` */
  async keep(result: QuestionResult, spent: number): Promise<void> {
    const line = `${JSON.stringify({ result, spent } satisfies Line)}\n`;
    this.#writing = this.#writing.then(async () => {
      await this.#handle?.appendFile(line);
    });
    try {
      await this.#writing;
    } catch (error) {
      throw ioError(error, this.#path);
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** Removes it: its answers are in a result. */
  async remove(): Promise<void> {
    await this.close();
    await remove(this.#path);
  }
}

/** A line that this program wrote whole; nothing for one that a kill cut. */
function parsed(line: string): Line[] {
  try {
    const value = JSON.parse(line) as Partial<Line> | null;
    const { result, spent } = value ?? {};
    if (typeof result?.question !== 'string' || typeof spent !== 'number') return [];
    return [{ result, spent }];
  } catch {
    return [];
  }
}
