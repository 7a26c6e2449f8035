/** What a loading service was seen to do. */
export interface Sight {
  /** The answer to the question whether it is ready, whole. */
  readonly answer: string;
  /** Its last lines, where they were looked at. */
  readonly log?: string;
}

const MAX_SEEN = 10_000;

/**
 * Tells a service that goes on loading from one that hangs: by an answer or a line of its log that was not there
 * before. A line that differs in its time alone, or that tells of our own questions, is no progress.
 */
export class Progress {
  readonly #asked: string;
  #answers = new Set<string>();
  #lines = new Set<string>();

  /** @param asked what the questions are about, such as their path: servers log it */
  constructor(asked: string) {
    this.#asked = asked;
  }

  /** Takes a sight in, and says whether it shows anything new. The first shows nothing new: there is nothing before. */
  sees({ answer, log }: Sight): boolean {
    const first = this.#answers.size === 0;
    let fresh = add(this.#answers, answer);
    for (const line of (log ?? '').split('\n')) {
      if (line.trim() === '' || (this.#asked !== '' && line.includes(this.#asked))) continue;
      if (add(this.#lines, timeless(line))) fresh = true;
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
function timeless(line: string): string {
  return line
    .replace(/\b[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?/g, '')
    .replace(/\b[0-9]{2,4}[-/][0-9]{2}(?:[-/][0-9]{2})?/g, '');
}
