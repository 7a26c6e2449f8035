import { foreign, type Html, html } from '../../../core/html-text.ts';
import { verifyText } from '../../../format/verify-text.ts';
import { digest, facts, moment, nothing, table } from '../../html/html-parts.ts';
import { trustFacts } from '../../report/html-checks.ts';
import { describeTrust } from '../../report/trust.ts';
import type { Inspection } from '../inspection.ts';
import type { NamedSigner } from '../signers.ts';
import { PRINTED } from './page-contents.ts';

/** Each signature with what was checked of it, and against what. */
export function signers({ signers: all, looked: { verdict } }: Inspection): Html {
  const blocks = all.map(
    (each) => html`<div class="together"><h3>${foreign(`signatures/${each.file}`)}</h3>
${facts([
  ['Verdict', standing(each)],
  ['Signed by', each.subject === undefined ? undefined : html`${foreign(each.subject)}`],
  [
    'Signing time',
    each.signingTime === undefined
      ? undefined
      : html`${moment(each.signingTime)}, as the signer says`,
  ],
  ['Algorithm', each.algorithm === undefined ? undefined : html`${foreign(each.algorithm)}`],
  ['Public key, SHA-256', each.key === undefined ? undefined : digest(each.key)],
])}</div>\n`,
  );
  const list = blocks.length === 0 ? html`<p>No signature is there.</p>\n` : html`${blocks}`;
  if (verdict === undefined)
    return html`<p class="outcome-failed">Not verified: anybody can make a certificate of any name. Names below are what the signatures say of themselves.</p>
${list}`;
  return list;
}

/** The trust document that judged; nothing where none did. */
export function trust({ given, looked: { verdict } }: Inspection): Html {
  if (given === undefined || verdict === undefined) return nothing;
  return trustFacts(describeTrust(given, verdict.trust));
}

function standing({ counted, reason, broken }: NamedSigner): Html {
  if (broken !== undefined)
    return html`<span class="outcome-failed">does not hold: ${foreign(broken)}</span>`;
  if (counted === undefined)
    return html`<span class="outcome-failed">not verified</span>: it is by the key of the certificate that it brings, and whose that is nobody checked`;
  return counted
    ? html`<span class="outcome-passed">counts</span>`
    : html`<span class="outcome-failed">does not count: ${foreign(reason ?? 'for no reason known')}</span>`;
}

/** What a reader must not take this page to say. */
export function notChecked({ looked: { verdict }, lock, bill }: Inspection): Html {
  const rows: (readonly [string, string])[] = [
    ...(verdict === undefined
      ? [
          [
            'signatures, and whose they are',
            'no trust was given: make the page again with --trust and the root certificate whose fingerprint you have on paper',
          ] as const,
          [
            'that the list and the folder name the same files',
            'the index was held against the list alone: with --trust the whole inventory is',
          ] as const,
        ]
      : []),
    ['the content: weights, layers, files', 'no part was read: stowage verify reads every byte'],
    [
      'licences, packages and findings',
      lock === undefined || bill === undefined
        ? 'what can be read of them is as noted when the bundle was made; nobody looked again'
        : 'all are as noted when the bundle was made; nobody looked again',
    ],
    ['signatures of publishers', 'as verified when the bundle was locked; nobody looked again'],
    [
      'that the content is good',
      'signatures say who released it, not that it is safe or free of faults. No model was run',
    ],
    [
      'this program and the machine it ran on',
      'a changed program can lie: use the commands at the end of this page, which need none of it',
    ],
  ];
  return table(
    ['What', 'Why, and what to do about it'],
    rows.map((row) => row.map((each) => html`${foreign(each)}`)),
    PRINTED,
  );
}

/** The commands of `VERIFY.txt`, as this program writes it; the bundle's own copy is the bundle's word. */
export function byHand({ looked: { bundle } }: Inspection): Html {
  const [whole = ''] = verifyText(bundle).split('\nOne disc of several');
  const paragraphs = whole
    .split('\n\n')
    .slice(1)
    .map((each) =>
      each.startsWith('    ')
        ? html`<pre><code>${commands(each)}</code></pre>\n`
        : html`<p>${foreign(each.replace(/\s+/g, ' ').trim())}</p>\n`,
    );
  return html`<p>With <code>openssl</code> and coreutils alone, in the bundle’s folder. <code>VERIFY.txt</code> in the bundle says the same, and what differs for discs.</p>
${paragraphs}<p>The bundle is known by this digest:</p>
<pre><code>sha512sum SHA512SUMS</code></pre>\n`;
}

function commands(block: string): Html[] {
  const lines = block.trimEnd().split('\n');
  return lines.map((line) => html`${foreign(line.trim())}\n`);
}
