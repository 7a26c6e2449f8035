import { formatBytes } from '../core/amount.ts';
import type { StowageEvent } from '../core/event.ts';
import { printableLines } from '../core/printable.ts';
import { formatSeconds } from './units.ts';

export type ProgressEvent = Extract<StowageEvent, { type: 'progress' }>;

/** What a meter reads of a task, in words. */
export interface Reading {
  /** From 0 to 1; of waiting there is none, for nobody knows when it ends. */
  readonly share?: number;
  /** `1.50 GiB of 2.93 GiB`, or seconds. */
  readonly amount: string;
  /** Known once something moved for a while. */
  readonly rate?: string;
  readonly left?: string;
  /** Such as a part and its disc. */
  readonly subject?: string;
}

/** The rate is that of so many milliseconds before now: what was fast an hour ago says nothing of the disc that is in. */
const WINDOW_MS = 20_000;
/** A rate of less is chance. */
const LEAST_MS = 1000;
const SAMPLE_MS = 500;
/** Lines that stay come after a tenth of the time that the task has taken, but not more and not less often than this. */
const LINE_MS = 5000;
const RARE_LINE_MS = 60_000;

/** Amount, rate and time left of one task at a time. What was there before counts as done, and not in the rate. */
export class Meter {
  readonly #now: () => Date;
  #task = '';
  #samples: { readonly at: number; readonly fresh: number }[] = [];
  #begun = 0;
  #said = 0;
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
    const amount = `${formatBytes(done)} of ${formatBytes(total)}`;
    const rate = this.#rate(now, fresh);
    if (rate === undefined) return { share, amount, ...about };
    const left = `${formatSeconds((total - done) / rate)} left`;
    return { share, amount, rate: `${formatBytes(rate)}/s`, left, ...about };
  }

  /** A reading in one line. */
  text(event: ProgressEvent): string {
    const { share, amount, rate, left, subject } = this.read(event);
    const percent = share === undefined ? undefined : `${Math.floor(share * 100)} %`;
    return [amount, percent, rate, left, subject].filter((each) => each !== undefined).join(', ');
  }

  /** Whether a line is due where lines stay; asked after {@link text}. */
  isDue(): boolean {
    const now = this.#now().getTime();
    const pause = Math.min(Math.max((now - this.#begun) / 10, LINE_MS), RARE_LINE_MS);
    if (now - this.#said < pause) return false;
    this.#said = now;
    return true;
  }

  /** What the task that was read came to, such as `2.93 GiB in 10 s`; undefined without one, or where it was short. The next begins afresh. */
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
    this.#said = now;
  }

  /** Bytes a second; undefined as long as it is not known. */
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
