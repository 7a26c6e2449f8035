import { exitStatus, StowageError } from '../../core/error.ts';
import { MAX_QUESTIONS_BYTES } from '../../core/limits.ts';
import { counted, formatDuration, nearest, printableLines } from '../../core/text.ts';
import type { EvaluationResult } from '../../format/evaluation-result.ts';
import type { DeployedRelease, Generation } from '../../format/plan.ts';
import { readNamed, writeAtomic, writeNew } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { withLock } from '../../io/lock-file.ts';
import { compareResults } from '../../site/evaluation/compare-results.ts';
import { comparisonPage } from '../../site/evaluation/comparison-page.ts';
import {
  convertQuestions,
  type ForeignFormat,
  formatOf,
  type Strictness,
} from '../../site/evaluation/convert-questions.ts';
import { type Evaluated, evaluate, failedQuestions } from '../../site/evaluation/evaluate.ts';
import { readResult, resultsFolder, resultsOf } from '../../site/evaluation/evaluation-results.ts';
import { type Suite, suitesOf } from '../../site/evaluation/suites.ts';
import { rateInWords } from '../../site/evaluation/summarize.ts';
import { currentGeneration, installedRelease } from '../../site/generations.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { openFolder, openRunningSite } from './site.ts';

export interface EvaluateOptions {
  readonly suite: readonly string[];
  readonly concurrency?: number;
  readonly fresh?: boolean;
  readonly root?: string;
}

/** Asks installed releases the questions of their evaluations; exits with 1 if a threshold was missed. */
export async function evaluateCommand(
  name: string | undefined,
  options: EvaluateOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openRunningSite(options.root, context).catch((error: unknown) => {
    throw misspelled(name) ?? error;
  });
  const { site } = opened;
  const generation = await currentGeneration(site);
  const selected = selectReleases(name, generation);
  const { suite: names, concurrency, fresh } = options;
  const chosen: {
    readonly release: (typeof selected)[number];
    readonly suite: Suite;
  }[] = [];
  const known: string[] = [];
  for (const release of selected)
    for (const suite of await suitesOf(site, release)) {
      known.push(suite.evaluation.name);
      if (names.length === 0 || names.includes(suite.evaluation.name))
        chosen.push({ release, suite });
    }
  const unknown = names.find((each) => !known.includes(each));
  if (unknown !== undefined || chosen.length === 0)
    throw usage(
      unknown === undefined ? 'there is no evaluation to run' : `there is no evaluation ${unknown}`,
      known.join(', ') || 'evaluations in the bundle or in site.yaml',
      unknown ?? 'none',
      'the manifest of a release lists its evaluations, and site.yaml can add others: manifests/EVALUATIONS.md explains both',
    );
  const done: Evaluated[] = [];
  const folder = resultsFolder(site);
  await makeFolder(folder, 0o700);
  await withLock(`${folder}/lock`, async () => {
    for (const { release, suite } of chosen)
      done.push(
        await evaluate(
          {
            ...{ release, suite, generation: generation.number, gate: false },
            ...(concurrency === undefined ? {} : { concurrency }),
            ...(fresh === undefined ? {} : { fresh }),
          },
          opened,
        ),
      );
  });
  const missed = done.some(({ result }) => result.missed.length > 0);
  return {
    json: { results: done.map(({ result, file }) => ({ file, ...result })) },
    text: printableLines(done.map(({ result, file }) => describe(result, file)).join('')),
    ...(missed ? { exitStatus: exitStatus.failed } : {}),
  };
}

/** The named release of a generation, or all of them. @throws StowageError `release-unknown`, `usage-invalid` */
function selectReleases(
  name: string | undefined,
  generation: Generation,
): readonly DeployedRelease[] {
  if (name === undefined && generation.releases.length > 0) return generation.releases;
  if (name !== undefined) {
    try {
      return [installedRelease(generation, name)];
    } catch (error) {
      throw misspelled(name) ?? error;
    }
  }
  throw new StowageError('release-unknown', 'no release is installed at this site', {
    expected: 'an installed release',
    found: 'none',
    hint: 'run stowage status to list the installed releases',
  });
}

/** The error for what is no release, and is like the name of a subcommand. */
function misspelled(name: string | undefined): StowageError | undefined {
  const near = name === undefined ? undefined : nearest(name, ['show', 'compare', 'convert']);
  if (near === undefined) return undefined;
  return usage(
    `unknown command 'evaluate ${name}'`,
    'a release, or show, compare or convert',
    name ?? '',
    `Did you mean ${near}?`,
  );
}

/** Shows the results of a site, newest last, or one of them in full. */
export async function evaluateShow(
  file: string | undefined,
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  if (file !== undefined) {
    const { result, file: place, fingerprint } = await readResult(context.path(file));
    return {
      json: { file: place, fingerprint, ...result },
      text: printableLines(
        `${describe(result, place)}  signed with a certificate of SHA-256 ${fingerprint}\n`,
      ),
    };
  }
  const results = await resultsOf(await openFolder(options.root, context));
  return {
    json: {
      results: results.map(({ result, file: place }) => ({ file: place, ...summaryOf(result) })),
    },
    text: printableLines(
      results.length === 0
        ? 'no evaluation has been run at this site yet\n'
        : results.map(({ result, file: place }) => `${lineOf(result)}\n  ${place}\n`).join(''),
    ),
  };
}

/** Compares two results question by question; with a page to write, also as HTML. */
export async function evaluateCompare(
  files: { readonly before: string; readonly after: string },
  options: { readonly page?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const page = options.page === undefined ? undefined : context.path(options.page);
  if (page !== undefined) {
    const { requireRoom } = await import('../../bundle/report/report-files.ts');
    await requireRoom({ paths: [page] }, []);
  }
  const { result: before } = await readResult(context.path(files.before));
  const { result: after } = await readResult(context.path(files.after));
  const questions = compareResults(before, after);
  if (page !== undefined) await writeAtomic(page, comparisonPage(before, after));
  const changed = questions.filter(({ change }) => change === 'lost' || change === 'gained');
  return {
    json: {
      before: summaryOf(before),
      after: summaryOf(after),
      questions,
      ...(page === undefined ? {} : { page }),
    },
    text: printableLines(
      [
        `before: ${lineOf(before)}`,
        `now:    ${lineOf(after)}`,
        ...changed.map(
          ({ change, id, question, after: now }) =>
            `  ${change === 'lost' ? 'LOST' : 'gained'} ${id ?? question.slice(0, 16)}: ${now?.found ?? ''}${now?.expected === undefined ? '' : `; expected ${now.expected}`}`,
        ),
        ...(changed.length === 0 ? ['  no question passed in one and failed in the other'] : []),
        ...(page === undefined ? [] : [page]),
        '',
      ].join('\n'),
    ),
  };
}

export interface ConvertOptions {
  readonly format?: ForeignFormat;
  readonly expect: Strictness;
  readonly output: string;
}

/** Converts questions of another tool. */
export async function evaluateConvert(
  file: string,
  { format, expect, output }: ConvertOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const bytes = await readNamed(context.path(file), MAX_QUESTIONS_BYTES);
  const found = format ?? formatOf(bytes, file);
  if (found === undefined)
    throw usage(
      `the format of ${file} is not known`,
      'samples of lm-evaluation-harness (arguments and target) or of OpenAI evals (input and ideal)',
      'other JSON, or none',
      'name it with --format',
    );
  const lines = convertQuestions(bytes, file, { format: found, expect });
  const path = context.path(output);
  await writeNew(path, Buffer.from(lines.map((line) => `${line}\n`).join('')));
  return {
    json: { questions: lines.length, format: found, output: path },
    text: `${path}: ${counted(lines.length, 'question')}, from ${found === 'openai' ? 'OpenAI evals' : 'lm-evaluation-harness'}\n`,
  };
}

function summaryOf({ results: _, ...rest }: EvaluationResult): Omit<EvaluationResult, 'results'> {
  return rest;
}

/** A result in one line. */
function lineOf({
  at,
  release,
  generation,
  evaluation,
  gate,
  summary,
  missed,
}: EvaluationResult): string {
  const verdict = missed.length === 0 ? 'passed' : 'FAILED';
  return `${at}  ${release.name} ${release.version}, generation ${generation}: evaluation ${evaluation}${gate ? ' in the gate' : ''} ${verdict}, ${rateInWords(summary)}`;
}

function describe(result: EvaluationResult, file: string): string {
  const { summary, missed, before } = result;
  const { tags, p50Milliseconds, p95Milliseconds, tokensPerSecond, unasked, milliseconds } =
    summary;
  const speed =
    tokensPerSecond === undefined ? '' : `, ${tokensPerSecond.toFixed(1)} tokens a second`;
  return [
    lineOf(result),
    ...Object.entries(tags).map(([tag, each]) => `  tag ${tag}: ${rateInWords(each)}`),
    `  median ${formatDuration(p50Milliseconds)}, 95th percentile ${formatDuration(p95Milliseconds)}${speed}, ${formatDuration(milliseconds)} in all`,
    ...(unasked === 0 ? [] : [`  ${unasked} not asked: the time did not suffice`]),
    ...(before === undefined
      ? []
      : [
          `  generation ${before.generation} passed ${(before.rate * 100).toFixed(1)} % of the questions that both were asked; now ${(before.now * 100).toFixed(1)} %`,
        ]),
    ...missed.map((each) => `  MISSED: ${each}`),
    ...failedQuestions(result).map((each) => `  failed: ${each}`),
    `  ${file}`,
    '',
  ].join('\n');
}
