import { StowageError } from '../../core/error.ts';
import { counted, quoted } from '../../core/text.ts';
import type { EvaluationResult } from '../../format/evaluation-result.ts';
import type { GateResult } from '../../format/receipt.ts';
import type { ServiceOf } from '../../target/target.ts';
import { type EvaluateContext, evaluate } from './evaluate.ts';
import { evaluationsOf } from './suites.ts';
import { rateInWords } from './summarize.ts';

/** How many failed questions an error lists. */
const LISTED = 20;

/** The context of the evaluations of a gate. */
export interface GateEvaluations extends EvaluateContext {
  /** The number of the generation that the gate is for. */
  readonly generation: number;
  /** Called with the result of each evaluation, including one that fails. */
  readonly keep: (result: GateResult) => void;
}

/**
 * The evaluations that a service must pass before a generation is kept, after the checks of its gate.
 * @throws StowageError `gate-failed` for the first that misses a threshold; otherwise as {@link evaluate}
 */
export async function gateEvaluations(
  { release, service }: ServiceOf,
  { generation, keep, ...context }: GateEvaluations,
): Promise<void> {
  const evaluations = await evaluationsOf(context.site, release);
  for (const evaluation of evaluations) {
    if (evaluation.service !== service || evaluation.gate === undefined) continue;
    const { result, file } = await evaluate(
      { release, generation, evaluation, gate: true },
      context,
    );
    const { missed, summary } = result;
    const passed = missed.length === 0;
    const found = passed ? rateInWords(summary) : missed.join('; ');
    const expected = `the first ${counted(summary.questions, 'question')} of evaluation ${evaluation.name} reach its thresholds`;
    const { milliseconds } = summary;
    keep({ service, check: 'evaluation', passed, expected, found, milliseconds });
    if (!passed)
      throw new StowageError(
        'gate-failed',
        `service ${service} did not pass evaluation ${evaluation.name}`,
        {
          expected,
          found,
          hint: `the signed result has every answer: stowage evaluate show ${file}`,
          defects: failedQuestions(result),
        },
      );
  }
}

/** The first questions that did not pass, one line each. */
export function failedQuestions({ results }: EvaluationResult): string[] {
  const failed = results.filter(({ passed }) => !passed);
  const lines = failed.slice(0, LISTED).map(({ id, question, tags, found }) => {
    const name = id ?? question.slice(0, 16);
    return `${name}${tags.length === 0 ? '' : ` [${tags.join(', ')}]`}: ${quoted(found)}`;
  });
  const more = failed.length - lines.length;
  return more === 0 ? lines : [...lines, `and ${more} more`];
}
