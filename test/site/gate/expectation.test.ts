import { describe, expect, it } from 'vitest';
import type { AcceptancePrompt } from '../../../src/format/deployment.ts';
import { describeExpectation, meets } from '../../../src/site/gate/expectation.ts';

type Expectation = AcceptancePrompt['expect'];

const city = {
  type: 'object',
  properties: { city: { type: 'string', pattern: '^[A-Z]' }, people: { type: 'integer' } },
  required: ['city'],
  additionalProperties: false,
};

describe('when an answer is compared with the expectation', () => {
  const cases: readonly [string, Expectation, string, number | undefined, true | RegExp][] = [
    ['the same text', { equals: ' 4\n' }, '4 ', undefined, true],
    ['another text', { equals: '4' }, '44', undefined, /^"44"$/],
    ['a part', { contains: 'ready' }, 'it is ready!', undefined, true],
    ['no part', { contains: 'ready' }, 'it is', undefined, /^"it is"$/],
    ['a match', { matches: '^\\p{Lu}' }, 'Ärger', undefined, true],
    ['no match', { matches: '^\\p{Lu}' }, 'ärger', undefined, /^"ärger"$/],
    ['JSON', { jsonSchema: city }, '{"city":"Bonn","people":3}', undefined, true],
    ['no JSON', { jsonSchema: city }, 'Bonn', undefined, /^"Bonn": not valid JSON$/],
    ['a fence around JSON', { jsonSchema: city }, '```json\n{}\n```', undefined, /not valid JSON$/],
    ['a member too few', { jsonSchema: city }, '{}', undefined, /: city: /],
    ['a member too many', { jsonSchema: city }, '{"city":"B","x":1}', undefined, /x/],
    ['a member of another type', { jsonSchema: city }, '{"city":7}', undefined, /: city: /],
    [
      'a member that does not match',
      { jsonSchema: city },
      '{"city":"bonn"}',
      undefined,
      /: city: /,
    ],
    ['tokens', { tokens: { min: 1, max: 4 } }, 'a', 4, true],
    ['too few tokens', { tokens: { min: 2 } }, 'a', 1, /^1 token: "a"$/],
    ['too many tokens', { tokens: { max: 4 } }, 'a', 5, /^5 tokens/],
    ['tokens that nobody counts', { tokens: { min: 0 } }, 'a', undefined, /no token count/],
  ];
  it.each(cases)('%s', (_, expected, text, tokens, outcome) => {
    const found = meets(expected, tokens === undefined ? { text } : { text, tokens });
    if (outcome === true) expect(found).toBe(true);
    else expect(found).toMatch(outcome);
  });

  it('does not hang on a pattern that backtracks forever', () => {
    const text = `${'a'.repeat(50)}b`;
    expect(meets({ matches: '^(a+)+$' }, { text })).toBe(
      `"${text}", which could not be compared within 2 s`,
    );
  });

  it('describes the expectation in words', () => {
    expect(describeExpectation({ tokens: { max: 3 } })).toBe('has 0 to 3 tokens');
    expect(describeExpectation({ tokens: { min: 3 } })).toBe('has 3 tokens or more');
    expect(describeExpectation({ jsonSchema: { type: 'null' } })).toBe(
      'is JSON that matches the schema {"type":"null"}',
    );
  });
});
