import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonTextDefect } from '../../src/core/json.ts';
import { MAX_JSON_DEPTH } from '../../src/core/limits.ts';

describe('when a JSON text has a duplicate member', () => {
  it.each([
    ['side by side', '{"a":1,"a":2}', 'a'],
    ['with others and spaces between', '{ "a" : 1, "b" : [{}, {"c":"a"}], "a" : null }', 'a'],
    ['deep inside', '{"x":[[{"y":{"a":1,"a":1}}]]}', 'a'],
    ['once escaped', '{"a":1,"\\u0061":2}', 'a'],
    ['with an empty name', '{"":1,"":2}', ''],
    ['whose name has quotes and brackets', '{"\\"{":1,"\\"{":2}', '"{'],
    ['of a name that objects have by themselves', '{"__proto__":1,"__proto__":2}', '__proto__'],
    ['after an object of the same member', '{"a":{"a":1},"b":1,"b":2}', 'b'],
  ])('finds one %s (attack 67)', (_, text, name) => {
    expect(() => JSON.parse(text)).not.toThrow();
    expect(jsonTextDefect(text)).toBe(`${JSON.stringify(name)} twice in one object`);
  });

  it.each([
    ['{"a":{"a":[{"a":1},{"a":1}]}}'],
    ['["a","a",{"a":"a"},{"a":"a"}]'],
    ['{"a":"\\"a\\":","b":":\\\\"}'],
    ['"a"'],
    ['{}'],
  ])('finds none in %s', (text) => {
    expect(() => JSON.parse(text)).not.toThrow();
    expect(jsonTextDefect(text)).toBeUndefined();
  });

  it('finds none in serialized values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        expect(jsonTextDefect(JSON.stringify(value, null, indent))).toBeUndefined();
      }),
    );
  });

  it('finds values nested too deep, and accepts the deepest allowed', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(jsonTextDefect(nested(MAX_JSON_DEPTH))).toBeUndefined();
    expect(jsonTextDefect(nested(MAX_JSON_DEPTH + 1))).toContain('levels');
  });

  it('reads a long string', () => {
    const text = JSON.stringify({ a: '\\"x'.repeat(1_000_000) });
    expect(jsonTextDefect(text)).toBeUndefined();
  });
});
