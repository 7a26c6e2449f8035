import type { EvaluationResult, QuestionResult } from '../../../src/format/evaluation-result.ts';

/** The result of one question. */
export const one: (id: string, passed: boolean, found?: string) => QuestionResult = (
  id,
  passed,
  found = '',
) => {
  const question = Buffer.from(id).toString('hex').padEnd(64, '0');
  return {
    ...{ question, id, weight: 1, tags: ['safety'], passed, found, milliseconds: 10 },
    ...(passed ? {} : { expected: `an answer that is "${id}"` }),
  };
};

/** The result of an evaluation with these answers. */
export function result(
  results: readonly QuestionResult[],
  missed: readonly string[] = [],
): EvaluationResult {
  const passed = results.filter((each) => each.passed).length;
  const numbers = { questions: results.length, passed, rate: passed / results.length };
  return {
    schema: 'stowage/evaluation/v1',
    site: 'plant',
    at: '2026-11-21T10:00:00Z',
    tool: 'stowage',
    evaluation: 'clinic',
    gate: false,
    generation: 1,
    release: { name: 'chat', version: '1.0.0', seq: 1, bundle: 'a'.repeat(128) },
    service: 'server',
    model: 'tiny',
    questions: 'b'.repeat(64),
    thresholds: { passRate: 1 },
    summary: {
      ...numbers,
      unasked: 0,
      tags: { safety: numbers },
      p50Milliseconds: 1,
      p95Milliseconds: 1,
      milliseconds: 1,
    },
    missed,
    results,
  };
}

/** One of two results with long names and answers, for a page that must fit narrow screens. */
export function evaluationResult(which: 'before' | 'after'): EvaluationResult {
  const isAfter = which === 'after';
  return result(
    [
      one('kept-question-about-the-reactor', true),
      one('discharge-summary', !isAfter, isAfter ? 'a long answer '.repeat(30) : ''),
      one('translation', isAfter),
      one('arithmetic', false, 'The sum is 41.'),
    ],
    isAfter ? ['pass rate 0.75, required 1'] : [],
  );
}
