import type { EvaluationResult, QuestionResult } from '../../format/evaluation-result.ts';

/** How a question did in two results. */
export type Change = 'lost' | 'gained' | 'failed' | 'passed' | 'new' | 'gone';

/** A question in two results. */
export interface ComparedQuestion {
  readonly question: string;
  readonly id?: string;
  readonly tags: readonly string[];
  readonly change: Change;
  readonly before?: QuestionResult;
  readonly after?: QuestionResult;
}

const ORDER: readonly Change[] = ['lost', 'gained', 'failed', 'new', 'gone', 'passed'];

/** Two results question by question, what was lost first. */
export function compareResults(
  before: Pick<EvaluationResult, 'results'>,
  after: Pick<EvaluationResult, 'results'>,
): readonly ComparedQuestion[] {
  const earlier = new Map(before.results.map((each) => [each.question, each]));
  const later = new Map(after.results.map((each) => [each.question, each]));
  const all = [...new Set([...later.keys(), ...earlier.keys()])];
  return all
    .map((question) => compared(question, earlier.get(question), later.get(question)))
    .toSorted((a, b) => ORDER.indexOf(a.change) - ORDER.indexOf(b.change));
}

function compared(
  question: string,
  before: QuestionResult | undefined,
  after: QuestionResult | undefined,
): ComparedQuestion {
  const { id, tags = [] } = after ?? before ?? {};
  return {
    question,
    ...(id === undefined ? {} : { id }),
    tags,
    change: changeOf(before, after),
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

function changeOf(before: QuestionResult | undefined, after: QuestionResult | undefined): Change {
  if (before === undefined) return 'new';
  if (after === undefined) return 'gone';
  if (before.passed === after.passed) return after.passed ? 'passed' : 'failed';
  return after.passed ? 'gained' : 'lost';
}
