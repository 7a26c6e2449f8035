import { page } from '../../bundle/html/html-page.ts';
import { type Cut, moment, nothing, table } from '../../bundle/html/html-parts.ts';
import { foreign, type Html, html } from '../../core/html-text.ts';
import { formatDuration } from '../../core/text.ts';
import type { EvaluationResult } from '../../format/evaluation-result.ts';
import { type Change, type ComparedQuestion, compareResults } from './compare-results.ts';
import { rateInWords } from './summarize.ts';

const ALL: Cut = { rows: 20_000, elsewhere: 'stowage evaluate compare --json lists all' };

const headings: Readonly<Record<Change, string>> = {
  lost: 'Passed before, failed now',
  gained: 'Failed before, passed now',
  failed: 'Failed both times',
  new: 'Asked only now',
  gone: 'Asked only before',
  passed: 'Passed both times',
};

/** Two results of an evaluation as one self-contained page, question by question. */
export function comparisonPage(before: EvaluationResult, after: EvaluationResult): Buffer {
  const questions = compareResults(before, after);
  const lost = questions.filter(({ change }) => change === 'lost').length;
  const bad = lost > 0 || after.missed.length > 0;
  return page(
    `Evaluation ${after.evaluation} of ${after.release.name}`,
    undefined,
    html`<header>
<h1>Evaluation ${foreign(after.evaluation)} of ${foreign(after.release.name)}</h1>
<section class="${bad ? html`verdict` : html`verdict passed`}"><p><strong>${foreign(verdict(lost, after))}</strong></p></section>
</header>
<main>
<section>
<h2>The two results</h2>
${table(['', 'Before', 'Now'], summaryRows(before, after), ALL)}</section>
${tagTable(before, after)}${(Object.keys(headings) as Change[]).map((change) =>
  group(
    change,
    questions.filter((each) => each.change === change),
  ),
)}</main>
`,
  );
}

function verdict(lost: number, { missed }: EvaluationResult): string {
  if (missed.length > 0) return `A threshold was missed: ${missed.join('; ')}`;
  if (lost > 0)
    return `${lost === 1 ? 'One question that passed before fails' : `${lost} questions that passed before fail`} now; every threshold is met`;
  return 'Nothing that passed before fails now';
}

function summaryRows(before: EvaluationResult, after: EvaluationResult): Html[][] {
  const row = (name: string, of: (result: EvaluationResult) => Html): Html[] => [
    html`<span class="whole">${foreign(name)}</span>`,
    of(before),
    of(after),
  ];
  return [
    row(
      'Release',
      ({ release, generation }) =>
        html`${foreign(`${release.name} ${release.version}, generation ${generation}`)}`,
    ),
    row('When', ({ at }) => moment(at)),
    row('Model', ({ model }) => html`${foreign(model)}`),
    row('Passed', ({ summary }) => html`${foreign(rateInWords(summary))}`),
    row(
      'Median answer',
      ({ summary }) => html`${foreign(formatDuration(summary.p50Milliseconds))}`,
    ),
    row(
      '95th percentile',
      ({ summary }) => html`${foreign(formatDuration(summary.p95Milliseconds))}`,
    ),
    row(
      'Tokens a second',
      ({ summary: { tokensPerSecond } }) =>
        html`${foreign(tokensPerSecond === undefined ? 'not counted' : tokensPerSecond.toFixed(1))}`,
    ),
  ];
}

function tagTable(before: EvaluationResult, after: EvaluationResult): Html {
  const tags = [
    ...new Set([...Object.keys(before.summary.tags), ...Object.keys(after.summary.tags)]),
  ];
  if (tags.length === 0) return nothing;
  const rate = (result: EvaluationResult, tag: string): Html => {
    const found = result.summary.tags[tag];
    return html`${foreign(found === undefined ? 'not asked' : rateInWords(found))}`;
  };
  const rows = tags
    .toSorted()
    .map((tag) => [html`${foreign(tag)}`, rate(before, tag), rate(after, tag)]);
  return html`<section>
<h2>By tag</h2>
${table(['Tag', 'Before', 'Now'], rows, ALL)}</section>
`;
}

function group(change: Change, questions: readonly ComparedQuestion[]): Html {
  if (questions.length === 0) return nothing;
  const rows = questions.map(({ id, question, tags, before, after }) => [
    html`${foreign(id ?? question.slice(0, 16))}${tags.length === 0 ? nothing : html`<br><span class="quiet">${foreign(tags.join(', '))}</span>`}`,
    html`${foreign(before?.found ?? 'not asked')}`,
    html`${foreign(after?.found ?? 'not asked')}`,
    ...(change === 'passed' ? [] : [html`${foreign(after?.expected ?? before?.expected ?? '')}`]),
  ]);
  const columns = ['Question', 'Before', 'Now', ...(change === 'passed' ? [] : ['Expected'])];
  const shown = html`${table(columns, rows, ALL)}`;
  return html`<section>
<h2>${foreign(headings[change])}: ${foreign(questions.length)}</h2>
${shown}</section>
`;
}
