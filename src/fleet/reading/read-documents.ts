import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { interrupted } from '../../core/error.ts';
import { startWorkerBeside } from '../../io/start-worker.ts';
import { type ReadingResult, type ReadingTask, runReading } from './reading-task.ts';

/** Tasks that a thread gets at once. */
const CHUNK = 64;
/** Chunks that each thread has or waits for: what is read ahead of who asks stays small. */
const AHEAD = 2;
const MAX_WORKERS = 8;
/** Of the memory of a thread for what it soon forgets. */
const LIMITS = { maxYoungGenerationSizeMb: 16 };
/** As many are read before threads would have started. */
const FEW = 400;

/**
 * Reads documents of sites and verifies them, in worker threads if there are many; the results come in the order of the tasks.
 * Memory does not grow with their number.
 * @param items what the tasks are about; given back with their results
 * @throws StowageError `interrupted`
 */
export async function* readDocuments<T>(
  items: Iterable<T> | AsyncIterable<T>,
  taskOf: (item: T) => ReadingTask,
  signal: AbortSignal,
): AsyncGenerator<readonly [T, ReadingResult]> {
  const source = iteratorOf(items);
  const first: T[] = [];
  for (let next = await source.next(); next.done !== true; next = await source.next()) {
    first.push(next.value);
    if (first.length > FEW) break;
  }
  if (first.length > FEW) yield* inThreads(chunksOf(first, source), taskOf, signal);
  else
    for (const item of first) {
      if (signal.aborted) throw interrupted(signal);
      yield [item, runReading(taskOf(item))];
    }
}

async function* iteratorOf<T>(items: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T, undefined> {
  yield* items;
  return undefined;
}

async function* inThreads<T>(
  chunks: AsyncIterable<readonly T[]>,
  taskOf: (item: T) => ReadingTask,
  signal: AbortSignal,
): AsyncGenerator<readonly [T, ReadingResult]> {
  const threads = new ReadingThreads();
  const running: { readonly chunk: readonly T[]; readonly results: Promise<Ahead[]> }[] = [];
  async function* oldest(): AsyncGenerator<readonly [T, ReadingResult]> {
    const { chunk = [], results } = running.shift() ?? {};
    const done = (await results) ?? [];
    for (const [at, item] of chunk.entries()) {
      if (signal.aborted) throw interrupted(signal);
      yield [item, done[at] ?? runReading(taskOf(item))];
    }
  }
  try {
    for await (const chunk of chunks) {
      running.push({ chunk, results: threads.run(chunk.map(taskOf)) });
      if (running.length >= AHEAD * threads.width) yield* oldest();
    }
    while (running.length > 0) yield* oldest();
  } finally {
    await threads.close();
  }
}

async function* chunksOf<T>(first: readonly T[], rest: AsyncIterable<T>): AsyncGenerator<T[]> {
  let chunk: T[] = [];
  for await (const item of chain(first, rest)) {
    chunk.push(item);
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

async function* chain<T>(first: readonly T[], rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield* first;
  yield* rest;
}

/** What a thread read; undefined for what is too large to be read ahead. */
type Ahead = ReadingResult | undefined;

/** Threads that take turns. Each answers in the order in which it was asked. */
class ReadingThreads {
  readonly width: number = Math.min(availableParallelism(), MAX_WORKERS);
  readonly #threads: Thread[] = [];
  #next = 0;

  run(tasks: readonly ReadingTask[]): Promise<Ahead[]> {
    const index = this.#next++ % this.width;
    const thread = this.#threads[index] ?? new Thread();
    this.#threads[index] = thread;
    const results = thread.run(tasks);
    // Whoever awaits it hears of a failure; one that comes before is not unhandled.
    results.catch(() => {});
    return results;
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

class Thread {
  readonly #worker: Worker = startWorkerBeside('reading-worker', import.meta.url, LIMITS);
  readonly #asked: PromiseWithResolvers<Ahead[]>[] = [];

  constructor() {
    this.#worker.on('message', (results: Ahead[]) => this.#asked.shift()?.resolve(results));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('a reading thread ended')));
  }

  run(tasks: readonly ReadingTask[]): Promise<Ahead[]> {
    const answer = Promise.withResolvers<Ahead[]>();
    this.#asked.push(answer);
    this.#worker.postMessage(tasks);
    return answer.promise;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: unknown): void {
    for (const each of this.#asked.splice(0)) each.reject(error);
  }
}
