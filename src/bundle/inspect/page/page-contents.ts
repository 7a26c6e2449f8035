import { fromBundle } from '../../../content/items.ts';
import { foreign, type Html, html } from '../../../core/html-text.ts';
import { formatAmount, formatBytes } from '../../../core/text.ts';
import type { Bundle } from '../../../format/bundle.ts';
import { type Cut, nothing, number, table } from '../../html/html-parts.ts';
import { sheetHtml } from '../../html/html-sheet.ts';
import type { Inspection } from '../inspection.ts';

/** The limit for long tables. */
export const PRINTED: Cut = { rows: 200, elsewhere: 'stowage inspect --json lists all' };

/** Every item with its digests, then the lists, attestations, installers and recovery parts. */
export function contents(inspection: Inspection): Html {
  const { bundle } = inspection.view;
  const sheets = fromBundle(bundle, (kind, item) => kind.sheet(item, inspection));
  return html`${sheets.map((sheet) => sheetHtml(sheet, PRINTED))}${others(bundle)}`;
}

function others({ control, installers = [], parity, recalls = [] }: Bundle): Html {
  const lists = [...control, ...installers].map((each) => [
    html`${foreign(each.path)}`,
    bytes(each.size),
  ]);
  const parts = parity?.rows.flat() ?? [];
  const size = parts.reduce((sum, each) => sum + each.size, 0);
  return html`<h3>Lists, attestations and installers</h3>
${table(['File', 'Bytes'], lists, PRINTED)}${
  parity === undefined
    ? nothing
    : html`<h3>Recovery parts</h3>
<p>Any ${foreign(parity.rows.length)} of ${foreign(parity.columns.length + parity.rows.length)} ${foreign(parity.discs ? 'discs' : 'columns of parts')} may be lost: ${foreign(formatAmount(parts.length, 'part'))}, ${foreign(formatBytes(size))}.</p>\n`
}${
  recalls.length === 0
    ? nothing
    : html`<h3>Recalled releases</h3>
${table(
  ['Release', 'Versions', 'Reason'],
  recalls.map(({ release, versions, reason }) =>
    [release, versions, reason].map((each) => html`${foreign(each)}`),
  ),
  PRINTED,
)}`
}`;
}

function bytes(size: number): Html {
  return html`<span class="whole">${foreign(number(size))}</span>`;
}
