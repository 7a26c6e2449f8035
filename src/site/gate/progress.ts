/** What was observed of a service that is loading. */
export interface Observation {
  /** The complete answer of the readiness check. */
  readonly answer: string;
  /** The last lines of its log, if they were read. */
  readonly log?: string;
}

const MAX_SEEN = 10_000;

/**
 * Distinguishes a service that is still loading from one that hangs: by a new answer or a new line in its log. A line
 * that differs only in its time, or that logs our own requests, is not progress.
 */
export class Progress {
  readonly #about: string;
  #answers = new Set<string>();
  #lines = new Set<string>();

  /** @param about the path of our requests: servers log it */
  constructor(about: string) {
    this.#about = about;
  }

  /** Returns whether an observation shows anything new. The first does not. */
  observe({ answer, log }: Observation): boolean {
    const first = this.#answers.size === 0;
    let fresh = add(this.#answers, answer);
    for (const line of (log ?? '').split('\n')) {
      if (line.trim() === '' || (this.#about !== '' && line.includes(this.#about))) continue;
      if (add(this.#lines, withoutTimes(line))) fresh = true;
    }
    return fresh && !first;
  }
}

function add(seen: Set<string>, text: string): boolean {
  if (seen.has(text) || seen.size >= MAX_SEEN) return false;
  seen.add(text);
  return true;
}

/** A line without dates and times of day. */
function withoutTimes(line: string): string {
  return line
    .replace(/\b[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?/g, '')
    .replace(/\b[0-9]{2,4}[-/][0-9]{2}(?:[-/][0-9]{2})?/g, '');
}
