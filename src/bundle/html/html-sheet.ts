import type { Cell, Sheet } from '../../content/sheet.ts';
import { foreign, type Html, html } from '../../core/html-text.ts';
import { type Cut, digest, facts, nothing, number, table } from './html-parts.ts';

/** A sheet as HTML. @param cut the limit for long tables; that of a report by default */
export function sheetHtml(sheet: Sheet, cut?: Cut): Html {
  const { label, name, facts: rows, table: list, parts } = sheet;
  const before = label === undefined ? nothing : html`${foreign(label)} `;
  const head = html`<h3>${before}${foreign(name)}</h3>\n${factsOf(rows)}`;
  if (list === undefined && parts === undefined) return html`<div class="together">${head}</div>\n`;
  return html`${head}${details(sheet, cut)}${(parts ?? []).map((part) => partHtml(part, cut))}`;
}

function partHtml(part: Sheet, cut: Cut | undefined): Html {
  return html`<h4>${foreign(part.name)}</h4>\n${factsOf(part.facts)}${details(part, cut)}`;
}

function details({ table: list, remark }: Sheet, cut: Cut | undefined): Html {
  const rows = list === undefined ? nothing : table(list.headers, list.rows.map(cells), cut);
  return html`${rows}${remark === undefined ? nothing : html`<p>${foreign(remark)}</p>\n`}`;
}

function factsOf(rows: Sheet['facts']): Html {
  return facts(rows.map(([name, value]) => [name, value === undefined ? undefined : cell(value)]));
}

function cells(row: readonly Cell[]): Html[] {
  return row.map(cell);
}

function cell(value: Cell): Html {
  if (typeof value === 'string') return html`${foreign(value)}`;
  if (typeof value === 'number') return html`<span class="whole">${foreign(number(value))}</span>`;
  return digest(value.hex);
}
