import { foreign, type Html, html } from '../../../core/html-text.ts';
import { formatAmount, formatBytes } from '../../../core/text.ts';
import { bundleSize } from '../../../format/bundle.ts';
import { momentOf } from '../../../format/field.ts';
import { optionalNames } from '../../../format/optional.ts';
import { absentFact, optionalFact } from '../../html/html-optional.ts';
import { page } from '../../html/html-page.ts';
import { digest, facts, moment, nothing } from '../../html/html-parts.ts';
import { attachedInWords } from '../../rehearsal/attached-rehearsal.ts';
import type { Inspection } from '../inspection.ts';
import { contents, findings, licenses, packages, publishers, sizes } from './page-contents.ts';
import { running } from './page-running.ts';
import { byHand, notChecked, signers, trust } from './page-trust.ts';

/** One section of the page. */
type Section = readonly [id: string, heading: string, content: Html];

/** The contents of a bundle as one page that a security officer reads offline and prints; it states what was not checked. */
export function inspectionPage(all: Inspection): Buffer {
  const { bundle, id } = all.view;
  const title = `${bundle.name} ${bundle.version}`;
  const shown = sections(all).filter(([, , content]) => content !== nothing);
  const links = shown.map(
    ([name, heading]) => html`<li><a href="#${foreignId(name)}">${foreign(heading)}</a></li>\n`,
  );
  const body = html`<header>
<h1>Bundle ${foreign(title)}</h1>
${verdict(all)}${identity(all)}</header>
<nav aria-label="Sections of this page"><ul>
${links}</ul></nav>
<main>
${shown.map(
  ([
    name,
    heading,
    content,
  ]) => html`<section id="${foreignId(name)}" aria-labelledby="${foreignId(name)}-heading">
<h2 id="${foreignId(name)}-heading">${foreign(heading)}</h2>
${content}</section>
`,
)}</main>
`;
  return page(`Bundle ${title}`, id, body);
}

function sections(all: Inspection): Section[] {
  return [
    ['not-checked', 'What was not checked', notChecked(all)],
    ['signers', 'Signatures', signers(all)],
    ['trust', 'Trusted roots', trust(all)],
    ['sizes', 'Sizes', sizes(all)],
    ['licenses', 'Licenses', licenses(all)],
    ['findings', 'Findings recorded when the bundle was locked', findings(all)],
    ['publishers', 'Publisher signatures', publishers(all)],
    ['packages', 'Packages of the images', packages(all)],
    ['running', 'Services', running(all.view.bundle)],
    ['contents', 'Contents', contents(all)],
    ['by-hand', 'How to verify manually', byHand(all)],
  ];
}

/** Section ids are constants. */
function foreignId(name: string): Html {
  return name as Html;
}

function verdict({ view: { bundle, verdict: each } }: Inspection): Html {
  if (each === undefined)
    return html`<div class="verdict"><strong>Not verified</strong>
<p>No trust document was given, so no signature was checked. Everything on this page is what the bundle claims about itself: anyone who changed the bundle could have changed this too.</p></div>\n`;
  const counted = each.signers.filter((signer) => signer.counted).length;
  return html`<div class="verdict passed"><strong>Signatures and file lists are valid</strong>
<p>${foreign(formatAmount(counted, 'signature'))} of ${foreign(each.signers.length)} counted; this meets the requirements of the trust document.</p>
<p><b>The ${foreign(formatBytes(bundleSize(bundle).content))} of content were not read.</b> To check them, run <code>stowage verify</code> or the commands at the end of this page.</p></div>\n`;
}

function identity({ view: { bundle, id, folders }, here, attached, madeAt }: Inspection): Html {
  const rehearsed = attachedInWords(attached);
  const { description, channel, seq, resolvedAt, platforms } = bundle;
  return facts([
    ['Description', description === '' ? undefined : html`${foreign(description)}`],
    ['Channel, sequence', html`${foreign(`${channel}, ${seq}`)}`],
    ['Locked', moment(resolvedAt)],
    ['Platforms', html`${foreign(platforms.join(', '))}`],
    [
      'Size',
      html`${foreign(`${formatAmount(bundleSize(bundle).files, 'file')}, ${formatBytes(bundleSize(bundle).bytes)}`)}`,
    ],
    optionalFact(optionalNames(bundle)),
    absentFact(here?.without),
    ['Rehearsal', rehearsed === undefined ? undefined : html`${foreign(rehearsed)}`],
    ['SHA-512 of SHA512SUMS', digest(id)],
    ['Read from', html`${folders.map((folder) => html`<code>${foreign(folder)}</code> `)}`],
    ['Page created', moment(momentOf(madeAt))],
  ]);
}
