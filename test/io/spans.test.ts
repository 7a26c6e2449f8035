import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Span, Spans } from '../../src/io/spans.ts';

const SIZE = 40;
const span = fc
  .tuple(fc.nat(SIZE), fc.nat(SIZE))
  .map(([a, b]): Span => ({ start: Math.min(a, b), end: Math.max(a, b) }));

describe('when ranges are added in any order', () => {
  it('equals a model with one flag for each byte', () => {
    fc.assert(
      fc.property(fc.array(span, { maxLength: 12 }), span, (added, asked) => {
        const spans = new Spans(added);
        const boxes = Array.from({ length: SIZE }, (_, at) =>
          added.some(({ start, end }) => at >= start && at < end),
        );
        const first = boxes.indexOf(false);
        expect(spans.bytes).toBe(boxes.filter(Boolean).length);
        expect(spans.frontier).toBe(first < 0 ? SIZE : first);
        expect(spans.end).toBe(boxes.lastIndexOf(true) + 1);
        const missing = new Set(
          spans.gaps(asked).flatMap(({ start, end }) => Array.from(range(start, end))),
        );
        for (const at of range(0, SIZE)) {
          const inside = at >= asked.start && at < asked.end;
          expect(missing.has(at)).toBe(inside && boxes[at] === false);
        }
        const list = [...spans];
        list.forEach((each, index) => {
          expect(each.start).toBeLessThan(each.end);
          if (index > 0) expect(each.start).toBeGreaterThan(list[index - 1]?.end ?? -1);
        });
      }),
    );
  });
});

function* range(start: number, end: number): Generator<number> {
  for (let at = start; at < end; at++) yield at;
}
