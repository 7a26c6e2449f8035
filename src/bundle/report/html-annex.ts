import { digestHex } from '../../core/digest.ts';
import { foreign, type Html, html } from '../../core/html-text.ts';
import type { Report } from '../../format/report.ts';
import type { ReportContents } from '../../format/report-contents.ts';
import { digest, facts, nothing, number, table } from '../html/html-parts.ts';

/** What is for looking up: the contents with their digests, the findings, the program. */
export function annex(report: Report): Html {
  const { contents: all, findings: noted } = report;
  return html`${all === undefined ? nothing : contents(all)}${noted === undefined ? nothing : findings(noted)}${program(report)}`;
}

function contents({ models, images, files, recalls = [] }: ReportContents): Html {
  return html`<section class="annex">
<h2>Contents, as signed</h2>
${models.map(model)}${images.map(image)}${files.map(file)}${recalls.length === 0 ? nothing : recalled(recalls)}</section>\n`;
}

function model(each: ReportContents['models'][number]): Html {
  const rows = each.files.map(({ path, size, digest: sum }) => [
    html`${foreign(path)}`,
    html`<span class="whole">${foreign(number(size))}</span>`,
    digest(digestHex(sum)),
  ]);
  return html`<h3>Model ${foreign(each.name)}</h3>
${facts([
  ['Repository', html`${foreign(each.repository)}`],
  ['Asked for as', html`${foreign(each.source)}`],
  ['Commit', digest(each.commit)],
  ['Licence', html`${foreign(each.license ?? 'not known')}`],
])}${table(['File', 'Bytes', 'SHA-256'], rows)}`;
}

function image(each: ReportContents['images'][number]): Html {
  return html`<div class="together"><h3>Image ${foreign(each.name)}</h3>
${facts([
  ['Reference', html`${foreign(each.source)}`],
  ['Repository', html`${foreign(each.repository)}`],
  ['Digest, SHA-256', digest(digestHex(each.digest))],
  ...each.platforms.flatMap(
    ({ platform, manifest, config }) =>
      [
        [`${platform}: manifest`, digest(digestHex(manifest))],
        [`${platform}: config`, digest(digestHex(config))],
      ] as const,
  ),
])}</div>\n`;
}

function file(each: ReportContents['files'][number]): Html {
  return html`<div class="together"><h3>Files ${foreign(each.name)}</h3>
${facts([
  ['Source', html`${foreign(each.source)}`],
  [
    each.kind === 'tree' ? 'Folder, as one archive' : 'File',
    html`${foreign(`${each.path}, ${number(each.size)} bytes`)}`,
  ],
  ['SHA-256', digest(digestHex(each.digest))],
])}</div>\n`;
}

function recalled(recalls: NonNullable<ReportContents['recalls']>): Html {
  const rows = recalls.map(({ release, versions, reason }) =>
    [release, versions, reason].map((each) => html`${foreign(each)}`),
  );
  return html`<h3>Releases that it recalls</h3>
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
<h2>Findings noted when the bundle was packed</h2>
${
  rows.length === 0
    ? html`<p>None.</p>\n`
    : table(['Severity', 'Rule', 'File', 'What was found'], rows)
}</section>\n`;
}

function program({ tool, host }: Report): Html {
  return html`<section class="together">
<h2>The program that verified</h2>
${facts([
  ['Program', html`${foreign(`${tool.name} ${tool.version}`)}`],
  [
    'SHA-512',
    tool.sha512 === undefined
      ? html`not a built program: run from its sources, which have no digest of their own`
      : digest(tool.sha512),
  ],
  ['The same by hand', byHand(tool)],
  ['Machine', html`${foreign(host.platform)}`],
  ['Node', html`${foreign(host.node)}`],
  ['OpenSSL', html`${foreign(host.openssl)}`],
])}</section>\n`;
}

function byHand({ sha512, files }: Report['tool']): Html | undefined {
  if (sha512 === undefined) return undefined;
  if (files === undefined) return html`of the program, which is one file: <code>sha512sum</code>`;
  return html`in the program's folder, with its ${foreign(number(files))} files: <code>LC_ALL=C sh -c 'sha512sum *.js' | sha512sum</code>`;
}
