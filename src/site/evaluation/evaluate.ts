import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Context } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import { canonicalBytes, type Json } from '../../core/json.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import { counted, cutTo, printable, quoted } from '../../core/text.ts';
import type { Evaluation } from '../../format/evaluation.ts';
import type { EvaluationResult } from '../../format/evaluation-result.ts';
import { momentOf } from '../../format/field.ts';
import type { DeployedRelease } from '../../format/plan.ts';
import type { GateResult } from '../../format/receipt.ts';
import type { Health } from '../../format/service.ts';
import type { OpenEndpoint, ServiceOf, Target } from '../../target/target.ts';
import { deployedService, openEndpoint } from '../gate/gate-service.ts';
import type { SiteFolder } from '../site-folder.ts';
import { AnswerJournal } from './answer-journal.ts';
import { resultBefore, resultsFolder } from './evaluation-results.ts';
import { runEvaluation } from './run-evaluation.ts';
import { type QuestionFile, questionsOf, type Suite, suitesOf } from './suites.ts';
import { missedThresholds, onCommonQuestions, rateInWords, summarize } from './summarize.ts';
import { writeResult } from './write-result.ts';

/** What an evaluation needs of the site. */
export interface EvaluateContext extends Context {
  readonly site: SiteFolder;
  readonly target: Target;
}

/** One evaluation of a release of a generation. */
export interface EvaluateInput {
  readonly release: DeployedRelease;
  readonly generation: number;
  readonly suite: Suite;
  /** Only as many questions as the gate asks, without a journal. */
  readonly gate: boolean;
  /** Requests at a time, if not as the evaluation says. */
  readonly concurrency?: number;
  /** Forgets the answers of a run that was not complete. */
  readonly fresh?: boolean;
}

/** A result, and its file. */
export interface Evaluated {
  readonly result: EvaluationResult;
  readonly file: string;
}

/**
 * Asks a service the questions of an evaluation, and keeps the signed result. Thresholds that were missed are in the result.
 * @throws StowageError `gate-failed` if the service stops answering; `blob-damaged`, `file-missing`, `document-invalid`,
 * `service-unknown`, `engine-failed`, `interrupted`
 */
export async function evaluate(input: EvaluateInput, context: EvaluateContext): Promise<Evaluated> {
  const { release, suite, generation, gate } = input;
  const { evaluation } = suite;
  const { site } = context;
  const all = await questionsOf(site, suite);
  const questions = gate ? all.questions.slice(0, evaluation.gate) : all.questions;
  const journal = gate ? undefined : journalOf(input, all, site);
  if (input.fresh === true) await journal?.remove();
  const opened = await openAll(release, evaluation, context);
  try {
    const ran = await runEvaluation({
      ...opened.asked,
      way: context.target.way,
      evaluation: { ...evaluation, concurrency: input.concurrency ?? evaluation.concurrency },
      questions,
      emit: context.emit,
      signal: context.signal,
      ...(journal === undefined ? {} : { journal }),
    });
    const summary = summarize(ran);
    const about = { release: release.name, evaluation: evaluation.name, generation };
    const earlier = await resultBefore(site, about);
    const before = earlier && onCommonQuestions(earlier, ran.results);
    const now = context.now();
    const { name, version, seq, bundle } = release;
    const result: EvaluationResult = {
      schema: 'stowage/evaluation/v1',
      site: (await site.site()).name,
      at: momentOf(now),
      tool: `${PRODUCT} ${PRODUCT_VERSION}`,
      evaluation: evaluation.name,
      gate,
      generation,
      release: { name, version, seq, bundle },
      service: evaluation.service,
      model: evaluation.model,
      questions: all.sha256,
      thresholds: evaluation.thresholds,
      summary,
      ...(before === undefined ? {} : { before }),
      missed: missedThresholds(evaluation.thresholds, summary, before),
      results: ran.results,
    };
    const file = await writeResult(site, result, now);
    await journal?.remove();
    return { result, file };
  } finally {
    await opened.close();
  }
}

function journalOf(
  { release, suite: { evaluation }, generation }: EvaluateInput,
  { sha256 }: QuestionFile,
  site: SiteFolder,
): AnswerJournal {
  // What only decides how fast or how long is asked leaves the answers as they are.
  const { concurrency: _, budgetMinutes: __, thresholds: ___, gate: ____, ...asked } = evaluation;
  const run = { ...asked, sha256, generation, bundle: release.bundle };
  const digest = createHash('sha256')
    .update(canonicalBytes(run as unknown as Json))
    .digest('hex');
  const name = `${release.name}.${evaluation.name}.partial.jsonl`;
  return new AnswerJournal(join(resultsFolder(site), name), digest);
}

/** The endpoints that an evaluation asks, and how to close them. */
async function openAll(
  release: DeployedRelease,
  { service, similarity }: Evaluation,
  context: EvaluateContext,
): Promise<{
  readonly asked: Pick<
    Parameters<typeof runEvaluation>[0],
    'server' | 'adapters' | 'endpoint' | 'similarity'
  >;
  readonly close: () => Promise<void>;
}> {
  const opened: OpenEndpoint[] = [];
  const close = async (): Promise<void> => {
    for (const each of opened.splice(0)) await each.close();
  };
  const open = async (
    name: string,
  ): Promise<{
    readonly of: ServiceOf;
    readonly health: Health;
    readonly endpoint: OpenEndpoint;
  }> => {
    const of = { release, service: name };
    const { health } = deployedService(of, context.target);
    const endpoint = health === undefined ? undefined : await openEndpoint(of, health, context);
    if (health === undefined || endpoint === undefined)
      throw new StowageError('service-unknown', `service ${name} cannot be asked`, {
        expected: 'a service whose health check names a port',
        found: `${name} of release ${release.name}`,
        hint: 'ask the release engineer to correct the evaluation, or correct it in site.yaml',
      });
    opened.push(endpoint);
    return { of, health, endpoint };
  };
  try {
    const { of, health, endpoint } = await open(service);
    const adapters = deployedService(of, context.target).adapters ?? [];
    const compared = similarity === undefined ? undefined : await open(similarity.service);
    return {
      asked: {
        ...{ server: health.server, adapters, endpoint },
        ...(compared === undefined ? {} : { similarity: compared.endpoint }),
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

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
  for (const suite of await suitesOf(context.site, release)) {
    const { evaluation } = suite;
    if (evaluation.service !== service || evaluation.gate === undefined) continue;
    const { result, file } = await evaluate({ release, generation, suite, gate: true }, context);
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
  const lines = failed.slice(0, LISTED).map(({ id, question, tags, found, expected }) => {
    const name = id ?? question.slice(0, 16);
    const wanted = expected === undefined ? '' : `; expected ${printable(cutTo(expected, 200))}`;
    return `${name}${tags.length === 0 ? '' : ` [${tags.join(', ')}]`}: ${quoted(found)}${wanted}`;
  });
  const more = failed.length - lines.length;
  return more === 0 ? lines : [...lines, `and ${more} more`];
}
