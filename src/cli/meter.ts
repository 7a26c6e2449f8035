import type { StowageEvent } from '../core/context.ts';
import { counted, formatBytes, printableLines } from '../core/text.ts';
import { formatSeconds } from './units.ts';

export type ProgressEvent = Extract<StowageEvent, { type: 'progress' }>;

/** The progress of a task, as text. */
export interface Reading {
  /** From 0 to 1; absent while waiting, because the end is not known. */
  readonly share?: number;
  /** `1.50 GiB of 2.93 GiB`, seconds or questions. */
  readonly amount: string;
  /** Absent until there is enough data. */
  readonly rate?: string;
  readonly left?: string;
  /** For example a part and its disc. */
  readonly subject?: string;
}

/** The rate covers only this many milliseconds, because discs differ in speed. */
const WINDOW_MS = 20_000;
/** A shorter sample is not representative. */
const LEAST_MS = 1000;
const SAMPLE_MS = 500;
/** Without a terminal, the interval between lines is a tenth of the elapsed time, within these bounds. */
const LINE_MS = 5000;
const RARE_LINE_MS = 60_000;

/** Measures amount, rate and time left of one task at a time. Data from an earlier run counts as done but not in the rate. */
export class Meter {
  readonly #now: () => Date;
  #task = '';
  #samples: { readonly at: number; readonly fresh: number }[] = [];
  #begun = 0;
  #lastLine = 0;
  #latest: ProgressEvent | undefined;

  constructor(now: () => Date) {
    this.#now = now;
  }

  read(event: ProgressEvent): Reading {
    const { done, total, unit, kept = 0, subject } = event;
    const now = this.#now().getTime();
    const fresh = done - kept;
    if (event.task !== this.#task) this.#begin(event.task, now, fresh);
    this.#latest = event;
    const share = total === 0 ? 1 : Math.min(Math.max(done / total, 0), 1);
    const about = subject === undefined ? {} : { subject: printableLines(subject) };
    if (unit === 'seconds')
      return { amount: `${formatSeconds(done)} of ${formatSeconds(total)}`, ...about };
    const rate = this.#rate(now, fresh);
    if (unit === 'questions') {
      const amount = `${done} of ${counted(total, 'question')}`;
      if (rate === undefined) return { share, amount, ...about };
      const left = `${formatSeconds((total - done) / rate)} left`;
      return { share, amount, rate: `${rate.toFixed(1)}/s`, left, ...about };
    }
    const amount = `${formatBytes(done)} of ${formatBytes(total)}`;
    if (rate === undefined) return { share, amount, ...about };
    const left = `${formatSeconds((total - done) / rate)} left`;
    return { share, amount, rate: `${formatBytes(rate)}/s`, left, ...about };
  }

  /** The reading as one line. */
  text(event: ProgressEvent): string {
    const { share, amount, rate, left, subject } = this.read(event);
    const percent = share === undefined ? undefined : `${Math.floor(share * 100)} %`;
    return [amount, percent, rate, left, subject].filter((each) => each !== undefined).join(', ');
  }

  /** Whether to print another line; call after {@link text}. */
  isDue(): boolean {
    const now = this.#now().getTime();
    const pause = Math.min(Math.max((now - this.#begun) / 10, LINE_MS), RARE_LINE_MS);
    if (now - this.#lastLine < pause) return false;
    this.#lastLine = now;
    return true;
  }

  /** Ends the task and returns its total, such as `2.93 GiB in 10 s`; undefined if there was none or it was short. */
  total(): string | undefined {
    const latest = this.#latest;
    const seconds = (this.#now().getTime() - this.#begun) / 1000;
    this.#task = '';
    this.#latest = undefined;
    if (latest?.unit !== 'bytes' || latest.done === 0 || seconds < 1) return undefined;
    return `${formatBytes(latest.done - (latest.kept ?? 0))} in ${formatSeconds(seconds)}`;
  }

  #begin(task: string, now: number, fresh: number): void {
    this.#task = task;
    this.#samples = [{ at: now, fresh }];
    this.#begun = now;
    this.#lastLine = now;
  }

  /** Bytes or questions per second; undefined while not known. */
  #rate(now: number, fresh: number): number | undefined {
    const last = this.#samples.at(-1);
    if (last === undefined || now - last.at >= SAMPLE_MS) this.#samples.push({ at: now, fresh });
    while (this.#samples.length > 2 && now - (this.#samples[1]?.at ?? now) >= WINDOW_MS)
      this.#samples.shift();
    const [first] = this.#samples;
    if (first === undefined || now - first.at < LEAST_MS || fresh <= first.fresh) return undefined;
    return ((fresh - first.fresh) * 1000) / (now - first.at);
  }
}
