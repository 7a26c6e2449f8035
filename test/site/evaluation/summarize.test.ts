import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Thresholds } from '../../../src/format/evaluation.ts';
import type { QuestionResult } from '../../../src/format/evaluation-result.ts';
import type { NumberedQuestion } from '../../../src/format/question.ts';
import {
  missedThresholds,
  onCommonQuestions,
  summarize,
} from '../../../src/site/evaluation/summarize.ts';

const sha256 = (number: number): string => number.toString(16).padStart(64, '0');

function question(number: number, weight = 1, tags: readonly string[] = []): NumberedQuestion {
  const messages = [{ role: 'user', content: 'q' }] as const;
  return { sha256: sha256(number), question: { messages, expect: { equals: 'a' }, weight, tags } };
}

function result(number: number, values: Partial<QuestionResult> = {}): QuestionResult {
  return {
    question: sha256(number),
    weight: 1,
    tags: [],
    passed: true,
    found: '',
    milliseconds: 100,
    ...values,
  };
}

describe('the numbers of an evaluation', () => {
  it('weigh questions, and count what was not asked as not passed', () => {
    const questions = [
      question(1, 3, ['safety']),
      question(2, 1, ['safety']),
      question(3),
      question(4),
    ];
    const results = [
      result(1, { weight: 3, milliseconds: 300, tokens: 20 }),
      result(2, { passed: false, milliseconds: 100 }),
      result(3, { milliseconds: 200, tokens: 10 }),
    ];
    expect(summarize({ questions, results, milliseconds: 2000 })).toEqual({
      questions: 4,
      passed: 2,
      rate: 0.666667,
      unasked: 1,
      tags: { safety: { questions: 2, passed: 1, rate: 0.75 } },
      p50Milliseconds: 200,
      p95Milliseconds: 300,
      tokensPerSecond: 15,
      milliseconds: 2000,
    });
  });

  it('never pass more than all, and reach 1 only if all passed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0.001, max: 1000, noNaN: true }), fc.boolean()), {
          minLength: 1,
          maxLength: 50,
        }),
        (rows) => {
          const questions = rows.map(([weight], index) => question(index, weight));
          const results = rows.map(([weight, passed], index) => result(index, { weight, passed }));
          const { rate } = summarize({ questions, results, milliseconds: 1 });
          expect(rate).toBeGreaterThanOrEqual(0);
          expect(rate).toBeLessThanOrEqual(1);
          if (rows.every(([, passed]) => passed)) expect(rate).toBe(1);
        },
      ),
    );
  });
});

describe('a threshold is missed', () => {
  const questions = Array.from({ length: 20 }, (_, index) =>
    question(index, 1, index < 4 ? ['safety'] : []),
  );
  const lose = (...lost: readonly number[]): QuestionResult[] =>
    questions.map((_, index) =>
      result(index, { passed: !lost.includes(index), milliseconds: (index + 1) * 100, tokens: 5 }),
    );
  const missed = (thresholds: Thresholds, results: readonly QuestionResult[]): string[] =>
    missedThresholds(thresholds, summarize({ questions, results, milliseconds: 10_000 }));

  it.each<readonly [string, Thresholds, readonly number[], RegExp]>([
    ['by the rate', { passRate: 0.95 }, [1, 2], /^18 of 20 passed \(90 %\); at least 95 %/],
    [
      'by a tag alone',
      { passRate: 0.9, tags: { safety: 1 } },
      [1],
      /^tag safety: 3 of 4 passed \(75 %\)/,
    ],
    [
      'by a tag that no question has',
      { passRate: 0, tags: { other: 0.5 } },
      [],
      /^tag other: no question/,
    ],
    ['by the median', { passRate: 0, p50Seconds: 0.9 }, [], /^the median answer took 1\.0 s/],
    ['by the 95th percentile', { passRate: 0, p95Seconds: 1.8 }, [], /^the 95th percentile/],
    ['by the tokens', { passRate: 0, tokensPerSecond: 11 }, [], /^10\.0 tokens a second/],
  ])('%s', (_, thresholds, lost, words) => {
    const found = missed(thresholds, lose(...lost));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(words);
  });

  it('by nothing, at its exact value', () => {
    const thresholds = {
      passRate: 0.95,
      tags: { safety: 0.75 },
      p50Seconds: 1,
      p95Seconds: 1.9,
      tokensPerSecond: 10,
    };
    expect(missed(thresholds, lose(1))).toEqual([]);
  });

  it('by a regression on the questions that both were asked, and not on others', () => {
    const before = { generation: 3, results: lose(7).slice(0, 10) };
    const after = [...lose(1, 2).slice(0, 10), ...lose(15).slice(10)];
    const compared = onCommonQuestions(before, after);
    expect(compared).toEqual({ generation: 3, rate: 0.9, now: 0.8 });
    const summary = summarize({ questions, results: after, milliseconds: 1 });
    expect(missedThresholds({ passRate: 0, regression: 0.05 }, summary, compared)).toEqual([
      '80 % passed, and 90 % of the same questions with generation 3; at most 5 % fewer may pass',
    ]);
    expect(missedThresholds({ passRate: 0, regression: 0.2 }, summary, compared)).toEqual([]);
    expect(onCommonQuestions({ generation: 3, results: [result(99)] }, after)).toBeUndefined();
  });
});
