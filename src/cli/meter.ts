import type { StowageEvent } from '../core/event.ts';
import { formatBytes, formatSeconds, harmless } from './units.ts';

type ProgressEvent = Extract<StowageEvent, { type: 'progress' }>;

/** The rate is that of so many milliseconds before now: what was fast an hour ago says nothing of the disc that is in. */
const WINDOW_MS = 20_000;
/** A rate of less is chance. */
const LEAST_MS = 1000;
const SAMPLE_MS = 500;
const LINE_MS = 5000;

/** Amount, rate and time left of one task at a time. What was there before counts as done, and not in the rate. */
export class Meter {
  readonly #now: () => Date;
  #task = '';
  #samples: { readonly at: number; readonly fresh: number }[] = [];
  #said = 0;

  constructor(now: () => Date) {
    this.#now = now;
  }

  text(event: ProgressEvent): string {
    const { done, total, unit, kept = 0, subject } = event;
    const now = this.#now().getTime();
    const fresh = done - kept;
    if (event.task !== this.#task) this.#begin(event.task, now, fresh);
    if (unit === 'seconds') return `${formatSeconds(done)} of ${formatSeconds(total)}`;
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    const rate = this.#rate(now, fresh);
    return [
      `${formatBytes(done)} of ${formatBytes(total)}, ${percent} %`,
      ...(rate === undefined
        ? []
        : [`${formatBytes(rate)}/s`, `${formatSeconds((total - done) / rate)} left`]),
      ...(subject === undefined ? [] : [harmless(subject)]),
    ].join(', ');
  }

  /** Whether a line is due where lines stay; asked after {@link text}. */
  isDue(): boolean {
    const now = this.#now().getTime();
    if (now - this.#said < LINE_MS) return false;
    this.#said = now;
    return true;
  }

  #begin(task: string, now: number, fresh: number): void {
    this.#task = task;
    this.#samples = [{ at: now, fresh }];
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
