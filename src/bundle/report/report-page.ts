import { foreign, type Html, html } from '../../core/html-text.ts';
import { checkDocument } from '../../format/document.ts';
import { type Report, reportKind } from '../../format/report.ts';
import { absentFact, optionalFact } from '../html/html-optional.ts';
import { page } from '../html/html-page.ts';
import { amount, digest, duration, facts, moment } from '../html/html-parts.ts';
import { annex } from './page-annex.ts';
import { failure, signatures, steps, trust } from './page-checks.ts';

/**
 * A report as one self-contained page without scripts, to read, to print on A4 and to sign by hand.
 * @param jsonSha512 of the JSON report that was written with it, 128 hex digits
 */
export function reportHtml(report: Report, jsonSha512?: string): Buffer {
  checkDocument(reportKind, report);
  return page(
    'Verification report',
    report.id,
    html`<main>
<h1>Verification report</h1>
${verdict(report)}${identity(report, jsonSha512)}${signOff(report)}${failure(report)}${steps(report)}${signatures(report)}${trust(report)}${unchecked(report)}${annex(report)}</main>
`,
  );
}

function verdict({ outcome, failure, bundle, absent }: Report): Html {
  const subject = bundle === undefined ? 'The bundle' : `${bundle.name} ${bundle.version}`;
  if (outcome === 'passed')
    return html`<div class="verdict passed"><strong>Passed</strong>
<p>Every file of ${foreign(subject)} is as signed, and the signatures meet the requirements of the trust document. Read “What was not checked” below.</p></div>\n`;
  if (absent !== undefined)
    return html`<div class="verdict"><strong>Incomplete</strong>
<p>Every file of ${foreign(subject)} in the given folders is as signed, and the signatures meet the requirements of the trust document. ${foreign(`${amount(absent.parts, 'part')} with ${amount(absent.bytes, 'byte')}`)} are not in these folders and were not checked.</p></div>\n`;
  const untrusted = failure?.exitStatus === 10;
  return html`<div class="verdict"><strong>${foreign(untrusted ? 'Rejected' : 'Not completed')}</strong>
<p>${foreign(subject)} ${foreign(
    untrusted
      ? 'is not as signed, or its signatures do not meet the requirements of the trust document. Do not use it.'
      : 'could not be checked completely. Do not use it on the basis of this report.',
  )}</p>
<p>${foreign(failure?.message ?? '')} <code>${foreign(failure?.code ?? '')}</code></p></div>\n`;
}

function identity(report: Report, jsonSha512: string | undefined): Html {
  const { bundle, id, folder, rehearsal, startedAt, endedAt, milliseconds } = report;
  return facts([
    ['Bundle', bundle && html`${foreign(`${bundle.name} ${bundle.version}`)}`],
    ['Description', bundle?.description ? html`${foreign(bundle.description)}` : undefined],
    ['Channel, sequence', bundle && html`${foreign(`${bundle.channel}, ${bundle.seq}`)}`],
    ['Locked', bundle && moment(bundle.resolvedAt)],
    ['Platforms', bundle && html`${foreign(bundle.platforms.join(', '))}`],
    [
      'Size',
      bundle &&
        html`${foreign(`${amount(bundle.files, 'file')} listed, ${amount(bundle.bytes, 'byte')}`)}`,
    ],
    optionalFact(bundle?.optional),
    absentFact(report.absent?.optional),
    ['Rehearsal', rehearsal && html`${foreign(rehearsal.summary)}`],
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
<table class="plain"><thead><tr><th scope="col">What</th><th scope="col">Why, and what you can do</th></tr></thead>
<tbody>
${rows}</tbody></table>
</section>\n`;
}

/** On the first page, because that is the one that is signed and filed. */
function signOff({ outcome: value }: Report): Html {
  const statements =
    value !== 'failed'
      ? [
          ...(value === 'incomplete'
            ? ['The other discs were also verified; their report is attached.']
            : []),
          'The fingerprint under “Trusted roots” matches the printed one.',
          'The bundle was also checked manually, as VERIFY.txt describes, or on a second machine.',
          'I have read “What was not checked”.',
        ]
      : ['The bundle was withdrawn from use.', 'The release engineer was informed.'];
  const line = (name: string): Html =>
    html`<tr><th scope="row">${foreign(name)}</th><td></td></tr>\n`;
  return html`<section class="together">
<h2>Sign-off</h2>
<ul class="statements">
${statements.map((each) => html`<li><span class="box"></span>${foreign(each)}</li>\n`)}</ul>
<table class="hand"><tbody>
${['Name and position', 'Place and date', 'Signature'].map(line)}</tbody></table>
</section>\n`;
}
