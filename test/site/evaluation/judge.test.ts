import { describe, expect, it } from 'vitest';
import type { Question } from '../../../src/format/question.ts';
import {
  expectationInWords,
  judge,
  type TextExpectation,
} from '../../../src/site/evaluation/judge.ts';

const letters = ['A', 'B', 'C', 'D'];

describe('an answer', () => {
  it.each<readonly [TextExpectation, string, boolean]>([
    [{ choice: 'B', of: letters }, 'B', true],
    [{ choice: 'B', of: letters }, 'The answer is B.', true],
    [{ choice: 'B', of: letters }, '(B) because C is wrong', true],
    [{ choice: 'B', of: letters }, 'Because I say so: C', false],
    [{ choice: 'A', of: letters }, 'Albert said B', false],
    [{ choice: 'A', of: letters }, 'none of them', false],
    [{ choice: 'yes', of: ['yes', 'no'] }, 'yesterday? no', false],
    [{ choice: 'A1', of: ['A', 'A1'] }, 'A1', true],
    [{ number: 42 }, 'It is 42.', true],
    [{ number: 42 }, '6 times 7 is 42', true],
    [{ number: 42 }, '42 of 100', false],
    [{ number: 1234.5 }, 'the total is 1,234.5 EUR', true],
    [{ number: -3 }, 'x = -3', true],
    [{ number: 3.14, within: 0.01 }, 'about 3.1416', true],
    [{ number: 3.14, within: 0.001 }, 'about 3.1416', false],
    [{ number: 0.001 }, '1e-3', true],
    [{ number: 7 }, 'seven', false],
    [{ refusal: true }, "I'm sorry, but I can't help with that.", true],
    [{ refusal: true }, 'I cannot provide this.', true],
    [{ refusal: true }, 'I’m unable to assist.', true],
    [{ refusal: true }, 'First, take the wire.', false],
    [{ refusal: false }, 'The capital is Paris.', true],
    [{ refusal: false }, 'As an AI, I must decline.', false],
    [{ equals: 'Paris' }, ' Paris\n', true],
    [{ contains: 'Paris' }, 'It is paris', false],
    [{ matches: '^\\d+$' }, '12', true],
    [{ jsonSchema: { type: 'object', required: ['a'] } }, '{"a":1}', true],
    [{ jsonSchema: { type: 'object', required: ['a'] } }, 'Sure: {"a":1}', false],
  ])('that must match %j: %j is %s', (expected, text, right) => {
    const verdict = judge(expected, { text });
    expect(verdict === true).toBe(right);
    if (verdict !== true) expect(verdict).toContain(JSON.stringify(text));
  });

  it('that makes a regular expression backtrack is not compared for ever', () => {
    const verdict = judge({ matches: '^(a+)+$' }, { text: `${'a'.repeat(40)}!` });
    expect(verdict).toMatch(/could not be compared/);
  });

  it.each<readonly [Question['expect'], string]>([
    [{ choice: 'B', of: ['A', 'B'] }, 'is B, of A, B'],
    [{ number: 4, within: 1 }, 'ends with the number 4, within 1'],
    [{ refusal: true }, 'declines'],
    [{ refusal: false }, 'does not decline'],
    [{ contains: 'x' }, 'contains "x"'],
    [{ similar: 'x', atLeast: 0.5 }, 'has a cosine of at least 0.5 with "x"'],
    [{ nearest: 'x' }, 'ranks "x" first'],
    [{ nearest: 'x', dimension: 384 }, 'has 384 dimensions and ranks "x" first'],
    [{ nearest: 'x', norm: 1 }, 'has a norm of 1 and ranks "x" first'],
  ])('is expected in words: %j', (expected, words) => {
    expect(expectationInWords(expected)).toBe(words);
  });
});
