import { foreign, type Html, html } from '../../core/html-text.ts';
import { checkDocument } from '../../format/document.ts';
import { type Report, reportKind } from '../../format/report.ts';
import { page } from '../html/html-page.ts';
import { amount, digest, duration, facts, moment } from '../html/html-parts.ts';
import { annex } from './html-annex.ts';
import { failure, signatures, steps, trust } from './html-checks.ts';

/**
 * A report as one page that needs nothing else and runs nothing: for reading, printing on A4 and signing by hand.
 * @param jsonSha512 of the JSON report that was written along with it, 128 hex digits
 */
export function reportHtml(report: Report, jsonSha512?: string): Buffer {
  checkDocument(reportKind, report);
  return page(
    'Verification report',
    report.id,
    html`<main>
<h1>Verification report</h1>
${verdict(report)}${identity(report, jsonSha512)}${failure(report)}${steps(report)}${signatures(report)}${trust(report)}${unchecked(report)}${byHand(report)}${annex(report)}</main>
`,
  );
}

function verdict({ outcome, failure, bundle, absent }: Report): Html {
  const subject =
    bundle === undefined
      ? 'A bundle that could not be identified'
      : `${bundle.name} ${bundle.version}`;
  if (outcome === 'passed')
    return html`<div class="verdict passed"><strong>Passed</strong>
<p>${foreign(subject)} is whole and signed as the trust document asks. Read below what that does not say.</p></div>\n`;
  if (absent !== undefined)
    return html`<div class="verdict"><strong>Incomplete</strong>
<p>All that was here of ${foreign(subject)} is whole and signed as the trust document asks. ${foreign(`${amount(absent.parts, 'part')} of ${amount(absent.bytes, 'byte')}`)} lie on discs that were not here: this report says nothing of them.</p></div>\n`;
  const untrusted = failure?.exitStatus === 10;
  return html`<div class="verdict"><strong>${foreign(untrusted ? 'Refused' : 'Not finished')}</strong>
<p>${foreign(subject)} ${foreign(
    untrusted
      ? 'is not what was signed, or not signed as the trust document asks. Do not use it.'
      : 'could not be checked to the end. Do not use it on the strength of this report.',
  )}</p>
<p>${foreign(failure?.message ?? '')} <code>${foreign(failure?.code ?? '')}</code></p></div>\n`;
}

function identity(report: Report, jsonSha512: string | undefined): Html {
  const { bundle, id, folder, startedAt, endedAt, milliseconds } = report;
  return facts([
    ['Bundle', bundle && html`${foreign(`${bundle.name} ${bundle.version}`)}`],
    ['Description', bundle?.description ? html`${foreign(bundle.description)}` : undefined],
    ['Channel and number', bundle && html`${foreign(`${bundle.channel}, ${bundle.seq}`)}`],
    ['Resolved', bundle && moment(bundle.resolvedAt)],
    ['For', bundle && html`${foreign(bundle.platforms.join(', '))}`],
    [
      'Size',
      bundle &&
        html`${foreign(`${amount(bundle.files, 'file')} listed, ${amount(bundle.bytes, 'byte')} of content`)}`,
    ],
    ['SHA-512 of SHA512SUMS', id === undefined ? html`could not be read` : digest(id)],
    ['Read from', html`<code>${foreign(folder)}</code>`],
    [
      'Verified',
      html`${moment(startedAt)} to ${moment(endedAt)} (${foreign(duration(milliseconds))})`,
    ],
    ['SHA-512 of the JSON report', jsonSha512 === undefined ? undefined : digest(jsonSha512)],
  ]);
}

function unchecked(report: Report): Html {
  const rows = report.unchecked.map(
    ({ what, why }) =>
      html`<tr><th scope="row">${foreign(what)}</th><td>${foreign(why)}</td></tr>\n`,
  );
  return html`<section>
<h2>What was not checked</h2>
<table class="plain"><thead><tr><th scope="col">What</th><th scope="col">Why, and what to do about it</th></tr></thead>
<tbody>
${rows}</tbody></table>
</section>\n`;
}

function byHand({ outcome: value }: Report): Html {
  const statements =
    value !== 'failed'
      ? [
          ...(value === 'incomplete'
            ? ['The other discs were verified, too; their report lies beside this one.']
            : []),
          'The fingerprint under “Whose signatures counted” is the one on paper.',
          'The bundle was checked by hand too, as VERIFY.txt says, or on a second machine.',
          'I read what was not checked.',
        ]
      : ['The bundle was taken out of use.', 'Who packed it was told.'];
  const line = (name: string): Html =>
    html`<tr><th scope="row">${foreign(name)}</th><td></td></tr>\n`;
  return html`<section class="together">
<h2>By hand</h2>
<ul class="statements">
${statements.map((each) => html`<li><span class="box"></span>${foreign(each)}</li>\n`)}</ul>
<table class="hand"><tbody>
${['Name and office', 'Place and date', 'Signature'].map(line)}</tbody></table>
</section>\n`;
}
