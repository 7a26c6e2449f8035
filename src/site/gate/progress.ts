import { MIB } from '../../core/limits.ts';
import type { ResourceUse } from '../../target/target.ts';

/** What was observed of a service that is loading. */
export interface Observation {
  /** The complete answer of the readiness check. */
  readonly answer: string;
  /** The last lines of its log, if they were read. */
  readonly log?: string;
  /** What it used so far, if that was read. */
  readonly use?: ResourceUse;
  /** When it was observed, milliseconds of a monotonic clock. */
  readonly at: number;
}

/** Less than this is what a server that hangs, and our requests to it, use anyway. */
const LEAST_BYTES: number = MIB;
/** The least share of one processor that counts as work. */
const LEAST_CPU = 0.1;

const MAX_SEEN = 10_000;

/**
 * Distinguishes a service that is still loading from one that hangs: by a new answer, a new line in its log, bytes
 * read from disks, processor time, or more memory than before. A line that differs only in its time, or that logs our own
 * requests, is not progress.
 */
export class Progress {
  readonly #about: string;
  #answers = new Set<string>();
  #lines = new Set<string>();
  #use: (ResourceUse & { readonly at: number }) | undefined;

  /** @param about the path of our requests: servers log it */
  constructor(about: string) {
    this.#about = about;
  }

  /** Returns whether an observation shows anything new. The first does not. */
  observe({ answer, log, use, at }: Observation): boolean {
    const first = this.#answers.size === 0;
    let fresh = add(this.#answers, answer);
    for (const line of (log ?? '').split('\n')) {
      if (line.trim() === '' || (this.#about !== '' && line.includes(this.#about))) continue;
      if (add(this.#lines, withoutTimes(line))) fresh = true;
    }
    if (use !== undefined && this.#isBusy(use, at)) fresh = true;
    return fresh && !first;
  }

  /** Whether it used more than one that hangs, since it last did. */
  #isBusy(use: ResourceUse, at: number): boolean {
    const last = this.#use;
    this.#use ??= { ...use, at };
    if (last === undefined) return false;
    const grown = (member: 'readBytes' | 'memoryBytes' | 'cpuSeconds'): number =>
      Math.max(0, (use[member] ?? 0) - (last[member] ?? 0));
    const busy =
      grown('readBytes') >= LEAST_BYTES ||
      grown('memoryBytes') >= LEAST_BYTES ||
      grown('cpuSeconds') >= (LEAST_CPU * (at - last.at)) / 1000;
    // The memory of a server goes up and down: only more than ever is progress.
    const memoryBytes = Math.max(use.memoryBytes ?? 0, last.memoryBytes ?? 0);
    if (busy) this.#use = { ...use, memoryBytes, at };
    return busy && at > last.at;
  }
}

function add(seen: Set<string>, text: string): boolean {
  if (seen.has(text) || seen.size >= MAX_SEEN) return false;
  seen.add(text);
  return true;
}

/** A line without dates, times of day, and the time since the start that llama.cpp and kernels put first. */
function withoutTimes(line: string): string {
  return line
    .replace(/^\s*\[?\s*[0-9]+(?:\.[0-9]+)+\]?(?=\s)/, '')
    .replace(/\b[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?/g, '')
    .replace(/\b[0-9]{2,4}[-/][0-9]{2}(?:[-/][0-9]{2})?/g, '');
}
