import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { interrupted } from '../core/error.ts';
import type { CodedSums, CodingTask } from './coding-task.ts';
import type { HashResult, HashTask, WorkerMessage } from './hash-task.ts';
import { PassError } from './positioned.ts';
import { startWorkerBeside } from './start-worker.ts';

// One worker for each core, limited by what a disk can serve and by 5 MiB of memory each.
const MAX_WORKERS = 8;

// Idle workers: starting one takes longer than hashing a small bundle. They do not keep the process alive.
const spare: Worker[] = [];

type Result = HashResult | readonly CodedSums[];

interface Waiting {
  readonly task: HashTask | CodingTask;
  readonly onBytes: (bytes: number) => void;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Worker threads that run {@link HashTask}s. Must be closed; an aborted signal terminates its workers immediately.
 */
export class HashPool {
  readonly width: number;
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Waiting>();
  readonly #queue: Waiting[] = [];
  #closed: Error | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;

  constructor(signal: AbortSignal, width: number = Math.min(availableParallelism(), MAX_WORKERS)) {
    this.width = width;
    this.#signal = signal;
    this.#onAbort = (): void => void this.#end(interrupted(this.#signal));
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /**
   * Runs a task on a free worker. `onBytes` is called with the bytes done, and with a negative amount if the task fails.
   * @throws PassError with the system's code, StowageError `interrupted`
   */
  run(task: HashTask, onBytes: (bytes: number) => void = () => {}): Promise<HashResult> {
    return this.#ask(task, onBytes) as Promise<HashResult>;
  }

  /** {@link run} for a {@link CodingTask}; `onBytes` is called with the bytes read. */
  code(task: CodingTask, onBytes: (bytes: number) => void = () => {}): Promise<CodedSums[]> {
    return this.#ask(task, onBytes) as Promise<CodedSums[]>;
  }

  #ask(task: HashTask | CodingTask, onBytes: (bytes: number) => void): Promise<Result> {
    if (this.#signal.aborted) return Promise.reject(interrupted(this.#signal));
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, onBytes, resolve, reject });
      this.#dispatch();
    });
  }

  /** Terminates busy workers; once this has resolved none writes any more, also after an abort. */
  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#onAbort);
    await this.#end(new Error('the hash pool is closed'));
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const worker = this.#idle.pop() ?? (this.#busy.size < this.width ? this.#spawn() : undefined);
      const next = worker === undefined ? undefined : this.#queue.shift();
      if (worker === undefined || next === undefined) return;
      this.#busy.set(worker, next);
      worker.postMessage(next.task);
    }
  }

  #spawn(): Worker {
    const worker = spare.pop() ?? startWorker();
    worker.ref();
    let counted = 0;
    worker.on('message', (message: WorkerMessage) => {
      const waiting = this.#busy.get(worker);
      if (waiting === undefined) return;
      if (message.kind === 'progress') {
        counted += message.bytes;
        waiting.onBytes(message.bytes);
        return;
      }
      this.#busy.delete(worker);
      this.#idle.push(worker);
      if (message.kind === 'result') waiting.resolve(message.result);
      else {
        waiting.onBytes(-counted);
        waiting.reject(new PassError(message.code, message.path, message.message));
      }
      counted = 0;
      this.#dispatch();
    });
    worker.on('error', (error) => {
      this.#busy.get(worker)?.reject(error);
      this.#busy.delete(worker);
      this.#dispatch();
    });
    return worker;
  }

  async #end(reason: Error): Promise<void> {
    this.#closed ??= reason;
    for (const worker of this.#idle.splice(0)) spareWorker(worker);
    const workers = [...this.#busy.keys()];
    for (const waiting of [...this.#queue.splice(0), ...this.#busy.values()])
      waiting.reject(reason);
    this.#busy.clear();
    this.#ended = Promise.all([this.#ended, ...workers.map((worker) => worker.terminate())]);
    await this.#ended;
  }
}

/** A thread that hashes. */
export function startWorker(): Worker {
  return startWorkerBeside('hash-worker', import.meta.url);
}

function spareWorker(worker: Worker): void {
  worker.removeAllListeners('message').removeAllListeners('error');
  worker.unref();
  if (spare.length < MAX_WORKERS) spare.push(worker);
  else void worker.terminate();
}
