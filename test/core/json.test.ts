import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalBytes,
  canonicalJson,
  type Json,
  parseCanonical,
  parseJson,
} from '../../src/core/json.ts';
import { MAX_JSON_DEPTH } from '../../src/core/limits.ts';
import { expectCode } from '../support/error.ts';

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

describe('when a value is written canonically', () => {
  it('writes the sample of RFC 8785, section 3.2.2', () => {
    const value = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/",' +
        '"literals":[null,true,false]}',
    ) as Json;
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],' +
        '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it('sorts members by UTF-16 code units, as the sample of section 3.2.3', () => {
    const value = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\u{1f600}': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      ö: 'Latin Small Letter O With Diaeresis',
    };
    expect(Object.values(JSON.parse(canonicalJson(value)) as object)).toHaveLength(7);
    const order = [...canonicalJson(value).matchAll(/:"([^"]+)"/g)].map((match) => match[1]);
    expect(order).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ]);
  });

  // RFC 8785, appendix B
  it.each([
    [0, '0'],
    [-0, '0'],
    [5e-324, '5e-324'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [9007199254740992, '9007199254740992'],
    [295147905179352830000, '295147905179352830000'],
    [9.999999999999997e22, '9.999999999999997e+22'],
    [1e23, '1e+23'],
    [999999999999999700000, '999999999999999700000'],
    [1e21, '1e+21'],
    [9.999999999999997e-7, '9.999999999999997e-7'],
    [0.000001, '0.000001'],
  ])('writes %d as %s', (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  it.each<[string, Json]>([
    ['NaN', Number.NaN],
    ['infinity', [Number.NEGATIVE_INFINITY]],
    ['a lone surrogate', { a: '\ud800' }],
    ['a lone surrogate in a name', { '\udc00': 1 }],
    ['nesting beyond the limit', JSON.parse(nested(MAX_JSON_DEPTH + 2)) as Json],
  ])('refuses %s', async (_, value) => {
    await expectCode(() => canonicalJson(value), 'document-invalid');
  });

  it('leaves out what is undefined', () => {
    expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}');
  });
});

describe('when canonical bytes are read', () => {
  it.each([
    ['a space', '{"a": 1}'],
    ['a final newline', '{"a":1}\n'],
    ['a space before', ' 1'],
    ['members out of order', '{"b":1,"a":2}'],
    ['members in the order of code points', '{"\ufb33":1,"\u{1f600}":2}'],
    ['a member twice', '{"a":1,"a":1}'],
    ['a member twice, once escaped', '{"a":1,"\\u0061":1}'],
    ['a byte-order mark', '\ufeff{"a":1}'],
    ['a needless escape', '"\\u0061"'],
    ['an escaped slash', '"\\/"'],
    ['a control character as it is', '"\u0001"'],
    ['an upper-case escape', '"\\u000F"'],
    ['an escaped lone surrogate', '"\\ud800"'],
    ['1e400', '1e400'],
    ['-0', '-0'],
    ['1.0', '1.0'],
    ['1e0', '1e0'],
    ['01', '01'],
    ['a number that loses digits', '9007199254740993'],
    ['a fraction that loses digits', '0.1000000000000000055511151231257827'],
    ['a comment', '{"a":1}//'],
    ['a trailing comma', '[1,]'],
    ['two values', '1 2'],
    ['nothing', ''],
    ['10,000 levels', nested(10_000)],
    ['10,000 levels, unfinished', '['.repeat(10_000)],
    ['NaN', 'NaN'],
  ])('refuses %s', async (_, text) => {
    await expectCode(() => parseCanonical(Buffer.from(text)), 'document-invalid');
  });

  it.each([
    ['a continuation byte alone', [0x22, 0x80, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a character cut short', [0x22, 0xe2, 0x82, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x31, 0x00]],
  ])('refuses %s', async (_, bytes) => {
    await expectCode(() => parseJson(Uint8Array.from(bytes)), 'document-invalid');
  });

  it('refuses a duplicate member, in canonical and other JSON (attack 67)', async () => {
    const text = '{ "threshold": 2, "b": {}, "threshold": 1 }';
    const error = await expectCode(() => parseJson(Buffer.from(text)), 'document-invalid');
    expect(error.message).toContain('"threshold"');
  });

  it('keeps __proto__ as a member and touches no prototype', () => {
    const bytes = Buffer.from('{"__proto__":{"polluted":true}}');
    const value = parseCanonical(bytes) as object;
    expect(Object.hasOwn(value, '__proto__')).toBe(true);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect('polluted' in {}).toBe(false);
    expect(canonicalBytes(value as Json).equals(bytes)).toBe(true);
  });

  it(`accepts ${MAX_JSON_DEPTH + 1} levels and no more`, async () => {
    expect(parseCanonical(Buffer.from(nested(MAX_JSON_DEPTH + 1)))).toBeDefined();
    const deeper = Buffer.from(nested(MAX_JSON_DEPTH + 2));
    await expectCode(() => parseCanonical(deeper), 'document-invalid');
  });

  it('reads back any value that was written', () => {
    const json = fc.jsonValue({ maxDepth: 6, noUnicodeString: false }) as fc.Arbitrary<Json>;
    fc.assert(
      fc.property(json, (value) => {
        const bytes = canonicalBytes(value);
        // -0 is written as 0, as RFC 8785 wants it.
        expect(parseCanonical(bytes)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalBytes(parseCanonical(bytes)).equals(bytes)).toBe(true);
      }),
    );
  });

  it('accepts JSON that JavaScript writes if it is canonical, and no other', () => {
    const key = fc.constantFrom('a', 'b', '1', '10', '9', '__proto__', 'ä');
    const word = fc.constantFrom('', '\\u', '\u0001', '\ud800', 'é');
    const member = fc.oneof(word, fc.dictionary(key, word, { noNullPrototype: true }));
    fc.assert(
      fc.property(fc.dictionary(key, fc.oneof(member, fc.array(member))), (value) => {
        const bytes = Buffer.from(JSON.stringify(value));
        const canonical = (): boolean =>
          canonicalBytes(JSON.parse(bytes.toString()) as Json).equals(bytes);
        expect(succeeds(() => parseCanonical(bytes))).toBe(succeeds(canonical));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([999, 1000, 1001, 2000, 2001])(
    'accepts lists of %i items if they are canonical, and no other',
    async (count) => {
      const items = Array.from({ length: count }, (_, at) => ({ name: `${at}`, size: at }));
      const value = { empty: [], inner: [{ items, none: {} }], items, nested: [[items], 7] };
      const bytes = canonicalBytes(value);
      expect(parseCanonical(bytes)).toEqual(value);
      const text = bytes.toString();
      const last = `"size":${count - 1}`;
      const changed = [
        ...[`${text} `, `${text}]`, text.replace('"size":0', '"size": 0')],
        ...[text.replace(last, `${last}.0`), text.replace(`${last}}]`, `${last}} ]`)],
        text.replace('{"name":"1"', '{"name":"1","name":"1"'),
      ];
      for (const each of changed)
        await expectCode(() => parseCanonical(Buffer.from(each)), 'document-invalid');
    },
  );

  it('writes the same bytes for any order of members', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.integer()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).toReversed());
        expect(canonicalJson(turned)).toBe(canonicalJson(value));
      }),
    );
  });
});

function succeeds(read: () => unknown): boolean {
  try {
    return read() !== false;
  } catch {
    return false;
  }
}
