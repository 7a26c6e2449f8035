import { itemsIn } from '../../content/items.ts';
import { kinds } from '../../content/kinds.ts';
import { foreign, type Html, html } from '../../core/html-text.ts';
import type { Report } from '../../format/report.ts';
import type { ReportContents } from '../../format/report-contents.ts';
import { amount, digest, facts, nothing, table } from '../html/html-parts.ts';
import { sheetHtml } from '../html/html-sheet.ts';

/** The annex: contents with their digests, findings, and the program. */
export function annex(report: Report): Html {
  const { contents: all, findings: noted } = report;
  return html`${all === undefined ? nothing : contents(all)}${noted === undefined ? nothing : findings(noted)}${program(report)}`;
}

function contents(all: ReportContents): Html {
  const { recalls = [] } = all;
  const sheets = kinds.flatMap((kind) =>
    itemsIn<'reported'>(all, kind).map((item) => kind.reportSheet(item)),
  );
  return html`<section class="annex">
<h2>Signed contents</h2>
${sheets.map((sheet) => sheetHtml(sheet))}${recalls.length === 0 ? nothing : recalled(recalls)}</section>\n`;
}

function recalled(recalls: NonNullable<ReportContents['recalls']>): Html {
  const rows = recalls.map(({ release, versions, reason }) =>
    [release, versions, reason].map((each) => html`${foreign(each)}`),
  );
  return html`<h3>Recalled releases</h3>
${table(['Release', 'Versions', 'Reason'], rows)}`;
}

function findings(noted: NonNullable<Report['findings']>): Html {
  const rows = noted.map((each) => [
    html`${foreign(each.severity)}`,
    html`${foreign(each.rule)}`,
    html`${foreign(`${each.source}: ${each.file}`)}`,
    html`${foreign(each.allowed === undefined ? each.message : `${each.message} (allowed: ${each.allowed})`)}`,
  ]);
  return html`<section>
<h2>Findings recorded when the bundle was packed</h2>
${
  rows.length === 0 ? html`<p>None.</p>\n` : table(['Severity', 'Rule', 'File', 'Finding'], rows)
}</section>\n`;
}

function program({ tool, host }: Report): Html {
  return html`<section class="together">
<h2>Verification program</h2>
${facts([
  ['Program', html`${foreign(`${tool.name} ${tool.version}`)}`],
  [
    'SHA-512',
    tool.sha512 === undefined
      ? html`not available: the program ran from source files, not from a build`
      : digest(tool.sha512),
  ],
  ['How to check it', byHand(tool)],
  ['Machine', html`${foreign(host.platform)}`],
  ['Node', html`${foreign(host.node)}`],
  ['OpenSSL', html`${foreign(host.openssl)}`],
])}</section>\n`;
}

function byHand({ sha512, files }: Report['tool']): Html | undefined {
  if (sha512 === undefined) return undefined;
  if (files === undefined) return html`run <code>sha512sum</code> on the program file`;
  return html`in the program's folder (${foreign(amount(files, 'file'))}): <code>LC_ALL=C sh -c 'sha512sum *.js' | sha512sum</code>`;
}
