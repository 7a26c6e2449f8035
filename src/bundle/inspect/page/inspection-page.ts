import { formatAmount, formatBytes } from '../../../core/amount.ts';
import { foreign, type Html, html } from '../../../core/html-text.ts';
import { bundleBytes, bundleFiles } from '../../../format/bundle.ts';
import { momentOf } from '../../../format/field.ts';
import { page } from '../../html/html-page.ts';
import { digest, facts, moment, nothing } from '../../html/html-parts.ts';
import type { Inspection } from '../inspection.ts';
import { contents } from './page-contents.ts';
import { findings, licenses, packages, publishers } from './page-origins.ts';
import { running } from './page-running.ts';
import { sizes } from './page-sizes.ts';
import { byHand, notChecked, signers, trust } from './page-trust.ts';

/** The sections of a page, in their order: the name of each, its heading, and what it holds. */
type Section = readonly [id: string, heading: string, content: Html];

/** What a bundle holds, as one page that an officer reads offline and prints; it says of itself what was not checked. */
export function inspectionPage(all: Inspection): Buffer {
  const { bundle, id } = all.looked;
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
    ['signers', 'Who signed', signers(all)],
    ['trust', 'Whose signatures counted', trust(all)],
    ['sizes', 'Sizes', sizes(all)],
    ['licences', 'Licences', licenses(all)],
    ['findings', 'Findings noted when the bundle was locked', findings(all)],
    ['publishers', 'Signatures of publishers', publishers(all)],
    ['packages', 'Packages of the images', packages(all)],
    ['running', 'What it runs', running(all.looked.bundle)],
    ['contents', 'Contents', contents(all)],
    ['by-hand', 'The same by hand', byHand(all)],
  ];
}

/** Names of sections are ours. */
function foreignId(name: string): Html {
  return name as Html;
}

function verdict({ looked: { bundle, verdict: each } }: Inspection): Html {
  if (each === undefined)
    return html`<div class="verdict"><strong>Not verified</strong>
<p>Nobody said whose signatures count, and none was checked. All that stands here is what the bundle says of itself: who changed the bundle could have changed this too.</p></div>\n`;
  const counted = each.signers.filter((signer) => signer.counted).length;
  return html`<div class="verdict passed"><strong>Signatures and lists hold</strong>
<p>${foreign(formatAmount(counted, 'signature'))} of ${foreign(each.signers.length)} counted, as the trust document asks.</p>
<p><b>The ${foreign(formatBytes(bundleBytes(bundle)))} of content were not read.</b> Only <code>stowage verify</code>, or the commands at the end of this page, say whether they are whole.</p></div>\n`;
}

function identity({ looked: { bundle, id, folders }, madeAt }: Inspection): Html {
  const { description, channel, seq, resolvedAt, platforms } = bundle;
  return facts([
    ['Description', description === '' ? undefined : html`${foreign(description)}`],
    ['Channel and number', html`${foreign(`${channel}, ${seq}`)}`],
    ['Resolved', moment(resolvedAt)],
    ['For', html`${foreign(platforms.join(', '))}`],
    [
      'Size',
      html`${foreign(`${formatBytes(bundleBytes(bundle))} of content, ${formatAmount(bundleFiles(bundle).length + 1, 'file')} listed`)}`,
    ],
    ['SHA-512 of SHA512SUMS', digest(id)],
    ['Read from', html`${folders.map((folder) => html`<code>${foreign(folder)}</code> `)}`],
    ['This page made', moment(momentOf(madeAt))],
  ]);
}
