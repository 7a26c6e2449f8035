import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer, Task } from './worker.ts';

const START_MS = 120_000;

/** One copy of the project, and the process that runs tests in it: started when asked, started again after a timeout. */
export class Lane {
  readonly copy: string;
  readonly #program: string;
  #child: ChildProcess | undefined;

  constructor(program: string, copy: string) {
    this.#program = program;
    this.copy = copy;
  }

  /** Undefined when there was no answer in time. */
  async ask(task: Task, ms: number): Promise<Answer | undefined> {
    const child = this.#child ?? (await this.#start());
    const changed = task.change && join(this.copy, task.change.file);
    const text = changed && readFileSync(changed);
    child.send(task);
    const answer = await next<Answer>(child, ms);
    if (answer !== undefined) return answer;
    this.end();
    if (changed !== undefined && text !== undefined) writeFileSync(changed, text);
    return undefined;
  }

  /** Ends vitest and what it started: a test that loops does not listen to anything less. */
  end(): void {
    const pid = this.#child?.pid;
    this.#child = undefined;
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(this.#program, ['--worker', this.copy], {
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child = child;
    if ((await next<string>(child, START_MS)) !== undefined) return child;
    throw new Error('vitest does not start in the copy of the project');
  }
}

function next<T>(child: ChildProcess, ms: number): Promise<T | undefined> {
  return new Promise((resolve) => {
    const done = (message?: unknown): void => {
      clearTimeout(timer);
      child.off('message', done).off('exit', gone);
      resolve(message as T | undefined);
    };
    const gone = (): void => done();
    const timer = setTimeout(gone, ms);
    child.on('message', done).on('exit', gone);
  });
}
