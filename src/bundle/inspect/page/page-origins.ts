import { fromBundle } from '../../../content/items.ts';
import type { ListedImage } from '../../../content/listed-packages.ts';
import { foreign, type Html, html } from '../../../core/html-text.ts';
import { formatAmount, formatNumber } from '../../../core/text.ts';
import type { Finding } from '../../../format/finding.ts';
import type { SignatureVerdict } from '../../../format/upstream.ts';
import { facts, moment, nothing, table } from '../../html/html-parts.ts';
import type { Inspection } from '../inspection.ts';
import { PRINTED } from './page-contents.ts';

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
