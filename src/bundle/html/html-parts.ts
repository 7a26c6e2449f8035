import { attribute, foreign, type Html, html } from '../../core/html-text.ts';
import { formatAmount, formatNumber } from '../../core/text.ts';

export { formatAmount as amount, formatNumber as number } from '../../core/text.ts';

/** How many rows of a long table a page shows, and where to find the rest. */
export interface Cut {
  readonly rows: number;
  readonly elsewhere: string;
}

const REPORT: Cut = { rows: 2000, elsewhere: 'the JSON report lists all' };

export const nothing: Html = html``;

/** A digest in groups of eight digits, which wrap at line ends and are copied without the gaps. */
export function digest(hex: string): Html {
  const groups = hex.match(/.{1,8}/gsu) ?? [];
  return html`<code class="digest">${groups.map((each) => html`<span>${foreign(each)}</span><wbr>`)}</code>`;
}

/** A time as displayed: `2026-11-21 10:00:00 UTC`. */
export function moment(text: string): Html {
  return html`${foreign(text.replace('T', ' ').replace('Z', ' UTC'))}`;
}

/** A duration: `1,250 ms`, `95 s`. */
export function duration(milliseconds: number): string {
  return milliseconds < 10_000
    ? `${formatNumber(milliseconds)} ms`
    : `${formatNumber(Math.round(milliseconds / 1000))} s`;
}

/** Text of several lines, each on a line of its own. */
export function multiline(text: string): Html {
  const lines = text.split('\n');
  return html`${lines.map((line, at) => (at === 0 ? html`${foreign(line)}` : html`<br>${foreign(line)}`))}`;
}

/** A table of names and values; rows without a value are omitted. */
export function facts(rows: readonly (readonly [name: string, value: Html | undefined])[]): Html {
  const shown = rows.flatMap(([name, value]) =>
    value === undefined
      ? []
      : [html`<tr><th scope="row">${foreign(name)}</th><td>${value}</td></tr>\n`],
  );
  return html`<table class="facts"><tbody>\n${shown}</tbody></table>\n`;
}

/** A table with column headers; the first cell of each row is the row's header. */
export function table(
  headers: readonly string[],
  rows: readonly (readonly Html[])[],
  cut: Cut = REPORT,
): Html {
  const body = rows
    .slice(0, cut.rows)
    .map(
      ([first = nothing, ...rest]) =>
        html`<tr><th scope="row" class="${firstClass(first)}">${first}</th>${rest.map((each, at) => labelledCell(headers[at + 1] ?? '', each))}</tr>\n`,
    );
  const more =
    rows.length > cut.rows
      ? html`<p><strong>${foreign(formatAmount(rows.length - cut.rows, 'further row'))} not shown: ${foreign(cut.elsewhere)}.</strong></p>\n`
      : nothing;
  return html`<table class="rows">
<thead><tr>${headers.map((each) => html`<th scope="col">${foreign(each)}</th>`)}</tr></thead>
<tbody>
${body}</tbody></table>
${more}`;
}

/** The longest word that a narrow column must not break. Longer ones are paths and digests. */
const WHOLE_WORD = 18;

/** Text is broken within words only where a word is too long for any column. */
function hasLongWord(cell: Html): boolean {
  return cell
    .replace(/<[^>]*>/g, ' ')
    .split(/[\s/-]+/)
    .some((word) => word.length > WHOLE_WORD);
}

function firstClass(cell: Html): Html {
  return hasLongWord(cell) ? html`first` : html`first words`;
}

/** A cell with the header of its column, which narrow screens show beside it. */
function labelledCell(header: string, cell: Html): Html {
  const label = html` data-label="${attribute(header)}"`;
  return hasLongWord(cell)
    ? html`<td${label}>${cell}</td>`
    : html`<td class="words"${label}>${cell}</td>`;
}
