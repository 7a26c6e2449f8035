/** A range of a file in bytes, from `start` (inclusive) to `end` (exclusive). */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A set of bytes of a file: sorted ranges that neither touch nor overlap. */
export class Spans {
  #spans: Span[] = [];

  constructor(spans: Iterable<Span> = []) {
    for (const each of spans) this.add(each);
  }

  add({ start, end }: Span): void {
    if (start >= end) return;
    const before = this.#spans.filter((each) => each.end < start);
    const after = this.#spans.filter((each) => each.start > end);
    const touched = this.#spans.slice(before.length, this.#spans.length - after.length);
    const merged = {
      start: Math.min(start, touched[0]?.start ?? start),
      end: Math.max(end, touched.at(-1)?.end ?? end),
    };
    this.#spans = [...before, merged, ...after];
  }

  /** The end of the bytes before the first gap. */
  get frontier(): number {
    const [first] = this.#spans;
    return first?.start === 0 ? first.end : 0;
  }

  /** How many bytes are in the set. */
  get bytes(): number {
    return this.#spans.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** The end of the last range. */
  get end(): number {
    return this.#spans.at(-1)?.end ?? 0;
  }

  /** The gaps between two offsets. */
  gaps({ start, end }: Span): Span[] {
    const gaps: Span[] = [];
    let at = start;
    for (const each of this.#spans) {
      if (each.end <= at) continue;
      if (each.start >= end) break;
      if (each.start > at) gaps.push({ start: at, end: each.start });
      at = each.end;
    }
    if (at < end) gaps.push({ start: at, end });
    return gaps;
  }

  [Symbol.iterator](): Iterator<Span> {
    return this.#spans[Symbol.iterator]();
  }
}
