/** A stretch of a file: from `start` up to, not with, `end`, in bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Which bytes of a file are there: stretches that neither touch nor overlap, in order. */
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

  /** One past the last byte before which nothing is missing. */
  get frontier(): number {
    const [first] = this.#spans;
    return first?.start === 0 ? first.end : 0;
  }

  /** Bytes that are there. */
  get bytes(): number {
    return this.#spans.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** One past the last byte that is there. */
  get end(): number {
    return this.#spans.at(-1)?.end ?? 0;
  }

  /** What is missing between two offsets. */
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
