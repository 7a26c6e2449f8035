import { formatDuration } from '../../core/text.ts';
import type { Thresholds } from '../../format/evaluation.ts';
import type {
  EvaluationResult,
  EvaluationSummary,
  Passed,
  QuestionResult,
} from '../../format/evaluation-result.ts';
import type { NumberedQuestion } from '../../format/question.ts';

/** What was asked, what came of it, and in how much time. */
export interface Ran {
  readonly questions: readonly NumberedQuestion[];
  /** Fewer than the questions if the time did not suffice. */
  readonly results: readonly QuestionResult[];
  readonly milliseconds: number;
}

/** The numbers of an evaluation. A question that was not asked did not pass. */
export function summarize({ questions, results, milliseconds }: Ran): EvaluationSummary {
  const passed = new Set(results.filter((each) => each.passed).map(({ question }) => question));
  const all = questions.map(({ question: { weight, tags }, sha256 }) => {
    return { weight, tags, passed: passed.has(sha256) };
  });
  const tags = new Set(all.flatMap((each) => each.tags));
  const times = results.map((each) => each.milliseconds).toSorted((a, b) => a - b);
  const tokens = results.flatMap((each) => each.tokens ?? []);
  const sum = tokens.reduce((total, each) => total + each, 0);
  return {
    ...passedOf(all),
    unasked: questions.length - results.length,
    tags: Object.fromEntries(
      [...tags].toSorted().map((tag) => {
        return [tag, passedOf(all.filter((each) => each.tags.includes(tag)))];
      }),
    ),
    p50Milliseconds: percentile(times, 0.5),
    p95Milliseconds: percentile(times, 0.95),
    ...(tokens.length === 0 || milliseconds === 0
      ? {}
      : { tokensPerSecond: rounded((sum / milliseconds) * 1000) }),
    milliseconds,
  };
}

function passedOf(all: readonly { readonly weight: number; readonly passed: boolean }[]): Passed {
  const weightOf = (list: typeof all): number => list.reduce((sum, { weight }) => sum + weight, 0);
  const good = all.filter(({ passed }) => passed);
  const total = weightOf(all);
  const rate = good.length === all.length ? 1 : rounded(weightOf(good) / total);
  return { questions: all.length, passed: good.length, rate };
}

/** The nearest-rank percentile; 0 of nothing. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

/** The pass rates of two results on the questions that both were asked; undefined if there are none. */
export function onCommonQuestions(
  before: Pick<EvaluationResult, 'results' | 'generation'>,
  results: readonly QuestionResult[],
): NonNullable<EvaluationResult['before']> | undefined {
  const earlier = new Map(before.results.map((each) => [each.question, each]));
  const common = results.filter(({ question }) => earlier.has(question));
  if (common.length === 0) return undefined;
  // The weights of now count for both.
  const then = common.map(({ question, weight }) => {
    return { weight, passed: earlier.get(question)?.passed === true };
  });
  return { generation: before.generation, rate: passedOf(then).rate, now: passedOf(common).rate };
}

/** Each threshold that was missed, in words. */
export function missedThresholds(
  thresholds: Thresholds,
  summary: EvaluationSummary,
  before?: EvaluationResult['before'],
): string[] {
  const { passRate, tags = {}, p50Seconds, p95Seconds, tokensPerSecond, regression } = thresholds;
  const missed: string[] = [];
  if (summary.rate < passRate)
    missed.push(`${rateInWords(summary)}; at least ${percent(passRate)} must pass`);
  for (const [tag, wanted] of Object.entries(tags)) {
    const found = summary.tags[tag];
    if (found === undefined) missed.push(`tag ${tag}: no question that was to be asked has it`);
    else if (found.rate < wanted)
      missed.push(`tag ${tag}: ${rateInWords(found)}; at least ${percent(wanted)} must pass`);
  }
  const times = [
    ['the median answer', summary.p50Milliseconds, p50Seconds],
    ['the 95th percentile of the answers', summary.p95Milliseconds, p95Seconds],
  ] as const;
  for (const [what, took, limit] of times)
    if (limit !== undefined && took > limit * 1000)
      missed.push(`${what} took ${formatDuration(took)}; the limit is ${limit} s`);
  if (tokensPerSecond !== undefined && (summary.tokensPerSecond ?? 0) < tokensPerSecond)
    missed.push(
      `${summary.tokensPerSecond === undefined ? 'the server counts no tokens' : `${summary.tokensPerSecond.toFixed(1)} tokens a second`}; at least ${tokensPerSecond} are needed`,
    );
  if (regression !== undefined && before !== undefined && before.rate - before.now > regression)
    missed.push(
      `${percent(before.now)} passed, and ${percent(before.rate)} of the same questions with generation ${before.generation}; at most ${percent(regression)} fewer may pass`,
    );
  return missed;
}

/** Such as `19 of 20 passed (95 %)`. */
export function rateInWords({ questions, passed, rate }: Passed): string {
  return `${passed} of ${questions} passed (${percent(rate)})`;
}

function percent(rate: number): string {
  return `${Number((rate * 100).toFixed(2))} %`;
}
