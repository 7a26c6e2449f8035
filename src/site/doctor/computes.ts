import { type KnownAnswer, knownAnswers } from '../../trust/known-answers.ts';
import type { Finding } from './finding.ts';

/** One finding for each algorithm. A missing algorithm is wrong, never omitted. */
export function examineAlgorithms(
  answers: readonly KnownAnswer[] = knownAnswers(),
): readonly Finding[] {
  return [...Map.groupBy(answers, (each) => each.algorithm)].map(([algorithm, own]) => {
    const failed = own.filter((each) => !each.passed);
    if (failed.length === 0)
      return { area: 'computes', check: algorithm, verdict: 'right', found: listed(own) };
    return {
      area: 'computes',
      check: algorithm,
      verdict: 'wrong',
      found: [...Map.groupBy(failed, (each) => each.found)]
        .map(([found, alike]) => `${listed(alike)}: ${found}`)
        .join('; '),
      hint: 'use the runtime in the installer of a bundle, or Node 24.15 or later with OpenSSL 3.5 or later and the default OpenSSL configuration',
    };
  });
}

function listed(answers: readonly KnownAnswer[]): string {
  return [...new Set(answers.map((each) => each.test))].join(', ');
}
