import type { Emit } from '../../core/context.ts';
import { interrupted, StowageError } from '../../core/error.ts';
import { MAX_ANSWERS_BYTES } from '../../core/limits.ts';
import type { QuestionResult } from '../../format/evaluation-result.ts';
import type { NumberedQuestion } from '../../format/question.ts';
import { forEachBounded } from '../../io/queue.ts';
import { keepConnections } from '../../target/http-request.ts';
import { timeOver } from '../../target/way.ts';
import type { AnswerJournal } from './answer-journal.ts';
import { type AskedServer, askQuestion } from './ask-question.ts';
import { expectationInWords } from './judge.ts';
import type { Ran } from './summarize.ts';

/** The most characters that a result keeps of one answer. */
const MAX_FOUND = 4000;
/** The most characters that it keeps of what was expected. */
const MAX_EXPECTED = 500;
/** A server that leaves as many questions in a row without an answer is not asked any more. */
const MAX_SILENT = 16;

/** A run of an evaluation. */
export interface EvaluationRun extends AskedServer {
  readonly questions: readonly NumberedQuestion[];
  /** Absent for a short run, which is not resumed. */
  readonly journal?: AnswerJournal;
  readonly emit: Emit;
}

/**
 * Asks all questions, several at a time, within the time that the evaluation has. With a journal, questions whose answers it
 * has are not asked again.
 * @throws StowageError `gate-failed` if the server stops answering; `interrupted`
 */
export async function runEvaluation(run: EvaluationRun): Promise<Ran> {
  const { evaluation, journal, way, emit, signal } = run;
  const questions = unique(run.questions);
  const kept = await journal?.begin();
  const results = new Map((kept?.results ?? []).map((each) => [each.question, each]));
  const before = kept?.milliseconds ?? 0;
  const began = performance.now();
  const spent = (): number => before + performance.now() - began;
  const limit = evaluation.budgetMinutes * 60_000;
  const longest = Math.min(MAX_FOUND, Math.floor(MAX_ANSWERS_BYTES / 4 / questions.length));
  let silent = 0;
  const show = (): void =>
    emit({
      type: 'progress',
      task: `evaluate ${evaluation.name}`,
      done: results.size,
      total: questions.length,
      unit: 'questions',
    });
  const agent = keepConnections(evaluation.concurrency);
  const unasked = questions.filter(({ sha256 }) => !results.has(sha256));
  try {
    show();
    await forEachBounded(unasked, evaluation.concurrency, async (numbered) => {
      if (signal.aborted) throw interruptedRun(signal);
      if (spent() >= limit) return;
      const asked = timeOver(way);
      const { answered, ...outcome } = await askQuestion(numbered, { ...run, agent });
      silent = answered ? 0 : silent + 1;
      if (silent > Math.max(MAX_SILENT, evaluation.concurrency)) throw stopped(run, outcome.found);
      const result = resultOf(numbered, {
        ...outcome,
        found: shortened(outcome.found, longest),
        ...(outcome.passed ? {} : { expected: expectedOf(numbered, longest) }),
        milliseconds: Math.max(0, Math.round(timeOver(way) - asked)),
      });
      results.set(result.question, result);
      if (answered) await journal?.keep(result, Math.round(spent()));
      show();
    });
  } finally {
    agent.destroy();
    await journal?.close();
  }
  return {
    questions,
    results: questions.flatMap(({ sha256 }) => results.get(sha256) ?? []),
    milliseconds: Math.round(spent()),
  };
}

/** Each question once: the same line twice would be asked twice for one answer. */
function unique(questions: readonly NumberedQuestion[]): NumberedQuestion[] {
  return [...new Map(questions.map((each) => [each.sha256, each])).values()];
}

function resultOf(
  { question: { id, weight, tags }, sha256 }: NumberedQuestion,
  outcome: Pick<QuestionResult, 'passed' | 'found' | 'expected' | 'tokens' | 'milliseconds'>,
): QuestionResult {
  return { question: sha256, ...(id === undefined ? {} : { id }), weight, tags, ...outcome };
}

/** What an answer had to be, after "expected". */
function expectedOf({ question: { expect } }: NumberedQuestion, longest: number): string {
  return shortened(`an answer that ${expectationInWords(expect)}`, Math.min(MAX_EXPECTED, longest));
}

/** A text of limited length, made well-formed: a service can answer with half a surrogate pair. */
function shortened(text: string, limit: number): string {
  return (text.length > limit ? `${text.slice(0, limit)} ...` : text).toWellFormed();
}

function stopped({ evaluation: { name, service } }: EvaluationRun, found: string): StowageError {
  return new StowageError('gate-failed', `service ${service} stopped answering`, {
    expected: `answers to the questions of evaluation ${name}`,
    found,
    hint: `see stowage status and stowage logs; when the service answers again, the same command goes on with the questions that are left`,
  });
}

function interruptedRun(signal: AbortSignal): StowageError {
  return interrupted(signal, {
    hint: 'run the same command again: it goes on with the questions that are left',
  });
}
