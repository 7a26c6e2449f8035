import type { Share } from '../../../content/content-kind.ts';
import { fromBundle, itemsIn } from '../../../content/items.ts';
import { kinds } from '../../../content/kinds.ts';
import type { ListedImage } from '../../../content/listed-packages.ts';
import { foreign, type Html, html } from '../../../core/html-text.ts';
import { formatAmount, formatBytes, formatNumber } from '../../../core/text.ts';
import type { Bundle } from '../../../format/bundle.ts';
import type { Finding } from '../../../format/finding.ts';
import type { SignatureVerdict } from '../../../format/upstream.ts';
import { type Cut, facts, moment, nothing, number, table } from '../../html/html-parts.ts';
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

/** A table of sizes with a bar for each share; the bars show nothing that is not in the table. */
export function sizes(all: Inspection): Html {
  const shares = sharesOf(all);
  const most = Math.max(1, ...shares.map(({ size }) => size));
  const total = shares.reduce((sum, { size }) => sum + size, 0);
  const rows = shares.map(
    ({ what, size }) =>
      html`<tr><th scope="row">${foreign(what)}</th><td class="number">${foreign(formatBytes(size))}</td><td class="number">${foreign(percent(size, total))}</td><td class="bars">${bar(size / most)}</td></tr>\n`,
  );
  return html`<table class="sizes">
<thead><tr><th scope="col">Content</th><th scope="col" class="number">Size</th><th scope="col" class="number">Share</th><th scope="col"><span class="unheard">Bar</span></th></tr></thead>
<tbody>
${rows}<tr class="total"><th scope="row">Total</th><td class="number">${foreign(formatBytes(total))}</td><td class="number">100 %</td><td></td></tr>
</tbody></table>\n`;
}

function sharesOf(inspection: Inspection): Pick<Share, 'what' | 'size'>[] {
  const { bundle } = inspection.view;
  const sum = (list: readonly { readonly size: number }[]): number =>
    list.reduce((total, each) => total + each.size, 0);
  const contents = kinds.flatMap((kind) =>
    kind.shares(itemsIn<'bundled'>(bundle, kind), inspection),
  );
  const shared = new Set(contents.flatMap(({ blobs }) => blobs));
  const rest = bundle.blobs.filter(({ digest }) => !shared.has(digest));
  const parity = bundle.parity?.rows.flat() ?? [];
  const installers = bundle.installers ?? [];
  return [
    ...contents,
    { what: 'Image manifests and configs', size: sum(rest) },
    { what: formatAmount(installers.length, 'installer'), size: sum(installers) },
    { what: formatAmount(parity.length, 'recovery part'), size: sum(parity) },
    { what: 'Lists and attestations', size: sum(bundle.control) },
  ].filter(({ size }) => size > 0);
}

function percent(size: number, total: number): string {
  const value = (100 * size) / Math.max(1, total);
  return value > 0 && value < 0.1 ? 'under 0.1 %' : `${value.toFixed(1)} %`;
}

function bar(share: number): Html {
  const width = Math.max(0.4, 100 * share).toFixed(1);
  return html`<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect width="${foreignNumber(width)}" height="8"></rect></svg>`;
}

/** Digits from this program. */
function foreignNumber(digits: string): Html {
  return digits as Html;
}

/** The licenses of items, and how many packages have each license. */
export function licenses({ view: { bundle }, bill = [] }: Inspection): Html {
  const stated = fromBundle(bundle, (kind, item) => {
    const license = kind.license?.(item);
    return license === undefined ? [] : [[kind.title(item), license]];
  }).map((row) => row.map((each) => html`${foreign(each)}`));
  const counts = new Map<string, number>();
  for (const { packages: list } of bill)
    for (const { license = 'unknown' } of list) counts.set(license, (counts.get(license) ?? 0) + 1);
  const rows = [...counts]
    .toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([license, count]) => [html`${foreign(license)}`, html`${foreign(formatNumber(count))}`]);
  if (stated.length === 0 && rows.length === 0) return nothing;
  return html`${stated.length === 0 ? nothing : table(['Item', 'License stated by the publisher'], stated, PRINTED)}${
    rows.length === 0
      ? nothing
      : html`<h3>Licenses of packages</h3>
${table(['License', 'Packages'], rows, PRINTED)}`
  }`;
}

/** How many packages of each kind every image has, and what could not be read. */
export function packages({ view: { bundle }, bill }: Inspection): Html {
  if (bundle.images.length === 0) return nothing;
  if (bill === undefined)
    return html`<p>The bill of materials in the bundle cannot be read, so the packages are unknown.</p>\n`;
  return html`${bill.map(imageOf)}<p>All packages with their versions and locations are listed in <code>attestations/sbom.cdx.json</code> in the bundle (CycloneDX 1.6).</p>\n`;
}

function imageOf({ image, system, packages: list, unread }: ListedImage): Html {
  const kinds = [...Map.groupBy(list, ({ type }) => type)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return html`<div class="together"><h3>Packages of image ${foreign(image)}</h3>
${facts([
  ['Operating system', system === undefined ? undefined : html`${foreign(system)}`],
  ['Packages', html`${foreign(formatNumber(list.length))}`],
  ...kinds.map(
    ([kind, each]) => [`Packages, ${kind}`, html`${foreign(formatNumber(each.length))}`] as const,
  ),
  [
    'Not read',
    unread.length === 0
      ? undefined
      : html`<ul class="lines">${unread.map((each) => html`<li>${foreign(each)}</li>\n`)}</ul>`,
  ],
])}</div>\n`;
}

const severities = ['refusal', 'warning', 'note'] as const;

/** The findings, the most severe first. */
export function findings({ lock }: Inspection): Html {
  if (lock === undefined)
    return html`<p>The lock in the bundle cannot be read, so its findings are unknown.</p>\n`;
  const all = lock.findings.toSorted(
    (a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity),
  );
  if (all.length === 0) return html`<p>None.</p>\n`;
  const counts = severities
    .map((each) => [each, all.filter(({ severity }) => severity === each).length] as const)
    .filter(([, count]) => count > 0);
  return html`<p>${foreign(counts.map(([each, count]) => formatAmount(count, each)).join(', '))}. A refusal is listed only if the manifest allows it and gives a reason.</p>
${table(['Severity and rule', 'File', 'Finding'], all.map(findingRow), PRINTED)}`;
}

function findingRow({ severity, rule, source, file, message, allowed }: Finding): Html[] {
  const severityText = severity === 'note' ? foreign(severity) : inRed(severity);
  return [
    html`${severityText}<br>${foreign(rule)}`,
    html`${foreign(`${source}: ${file}`)}`,
    html`${foreign(message)}${allowed === undefined ? nothing : html`<br>Allowed: ${foreign(allowed)}`}`,
  ];
}

function inRed(text: string): Html {
  return html`<span class="outcome-failed">${foreign(text)}</span>`;
}

/** Publishers' signatures, as verified when the bundle was locked. */
export function publishers({ view: { bundle, verdict: checked } }: Inspection): Html {
  const all = fromBundle(bundle, (kind, item) =>
    item.signature === undefined ? [] : [{ what: kind.title(item), verdict: item.signature }],
  );
  if (all.length === 0)
    return html`<p>The manifest requires no publisher signatures, so none was verified.</p>\n`;
  const note =
    checked === undefined
      ? html`<p>Verified when the bundle was locked, <span class="outcome-failed">according to the bundle, which is not verified</span>.</p>`
      : html`<p>Verified when the bundle was locked, with network access; not re-checked.</p>`;
  return html`${note}
${all.map(
  ({ what, verdict }) => html`<div class="together"><h3>${foreign(what)}, publisher’s signature</h3>
${facts([
  ['Result', result(verdict, checked !== undefined)],
  ['Reason', verdict.reason === undefined ? undefined : html`${foreign(verdict.reason)}`],
  ['Form', verdict.form === undefined ? undefined : html`${foreign(verdict.form)}`],
  ['Signer', signerText(verdict)],
  [
    'Signed at',
    verdict.signedAt === undefined
      ? undefined
      : html`${moment(verdict.signedAt)}, according to its transparency log`,
  ],
  ['Verified with', html`${foreign(verdict.trusted.map(({ path }) => path).join(', '))}`],
  [
    'Unsigned files',
    verdict.unsigned === undefined
      ? undefined
      : html`${foreign(formatNumber(verdict.unsigned.length))}`,
  ],
])}</div>\n`,
)}`;
}

function result({ result: each }: SignatureVerdict, vouched: boolean): Html {
  if (each === 'passed' && !vouched) return html`valid`;
  if (each === 'passed') return html`<span class="outcome-passed">valid</span>`;
  return inRed(each);
}

function signerText({ signer }: SignatureVerdict): Html | undefined {
  if (signer === undefined) return undefined;
  const { identities, subject, key } = signer;
  return html`${foreign(identities?.join(', ') ?? subject ?? `key ${key}`)}`;
}
