import { foreign, type Html, html } from '../../../core/html-text.ts';
import { verifySteps } from '../../../format/verify-text.ts';
import { digest, facts, moment, nothing, table } from '../../html/html-parts.ts';
import { describeTrust } from '../../report/describe-trust.ts';
import { trustFacts } from '../../report/page-checks.ts';
import type { NamedSigner } from '../comparable.ts';
import type { Inspection } from '../inspection.ts';
import { PRINTED } from './page-contents.ts';

/** Each signature and what was checked. */
export function signers({ signers: all, view: { verdict } }: Inspection): Html {
  const blocks = all.map(
    (each) => html`<div class="together"><h3>${foreign(`signatures/${each.file}`)}</h3>
${facts([
  ['Result', standing(each)],
  ['Signed by', each.subject === undefined ? undefined : html`${foreign(each.subject)}`],
  [
    'Signing time',
    each.signingTime === undefined
      ? undefined
      : html`${moment(each.signingTime)}, as stated by the signer`,
  ],
  ['Algorithm', each.algorithm === undefined ? undefined : html`${foreign(each.algorithm)}`],
  ['Public key, SHA-256', each.key === undefined ? undefined : digest(each.key)],
])}</div>\n`,
  );
  const list = blocks.length === 0 ? html`<p>The bundle has no signatures.</p>\n` : html`${blocks}`;
  if (verdict === undefined)
    return html`<p class="outcome-failed">Not verified: anyone can create a certificate with any name. The names below are only what the signatures claim.</p>
${list}`;
  return list;
}

/** The trust document that applied; nothing if none was given. */
export function trust({ given, view: { verdict } }: Inspection): Html {
  if (given === undefined || verdict === undefined) return nothing;
  return trustFacts(describeTrust(given, verdict.trust));
}

function standing({ counted, reason, broken }: NamedSigner): Html {
  if (broken !== undefined)
    return html`<span class="outcome-failed">invalid: ${foreign(broken)}</span>`;
  if (counted === undefined)
    return html`<span class="outcome-failed">not verified</span>: it matches its own certificate, but it was not checked whose certificate that is`;
  return counted
    ? html`<span class="outcome-passed">counted</span>`
    : html`<span class="outcome-failed">not counted: ${foreign(reason ?? 'unknown reason')}</span>`;
}

/** What a reader must not assume was checked. */
export function notChecked({ view: { verdict }, lock, bill, attached }: Inspection): Html {
  const rows: (readonly [string, string])[] = [
    ...(verdict === undefined
      ? [
          [
            'signatures and signers',
            'no trust document was given. Create the page again with --trust and the root certificate whose printed fingerprint you have',
          ] as const,
          [
            'whether the folder holds exactly the listed files',
            'only bundle.json was compared with SHA512SUMS. With --trust, all files are compared',
          ] as const,
        ]
      : []),
    ['content: weights, layers, files', 'no part was read. stowage verify reads every byte'],
    [
      'licenses, packages and findings',
      lock === undefined || bill === undefined
        ? 'those that can be read are as recorded when the bundle was made; they were not re-checked'
        : 'all are as recorded when the bundle was made; they were not re-checked',
    ],
    ['publisher signatures', 'as verified when the bundle was locked; they were not re-checked'],
    [
      'whether the content is safe',
      'a signature shows who released it, not that it is safe or free of defects. No model was run',
    ],
    ...(attached.rehearsal === undefined
      ? []
      : [
          [
            'the rehearsal',
            'it is of this bundle, and as recorded by whoever ran it; it was not repeated',
          ] as const,
        ]),
    [
      'this program and the machine it ran on',
      'a manipulated program could lie. The commands at the end of this page do not depend on it',
    ],
  ];
  return table(
    ['What', 'Why, and what you can do'],
    rows.map((row) => row.map((each) => html`${foreign(each)}`)),
    PRINTED,
  );
}

/** The commands of `VERIFY.txt` as this program writes them, not as the copy in the bundle has them. */
export function byHand({ view: { bundle } }: Inspection): Html {
  const paragraphs = verifySteps(bundle)
    .trimEnd()
    .split('\n\n')
    .slice(1)
    .map((each) =>
      each.startsWith('    ')
        ? html`<pre><code>${commands(each)}</code></pre>\n`
        : html`<p>${foreign(each.replace(/\s+/g, ' ').trim())}</p>\n`,
    );
  return html`<p>Run these commands in the bundle’s folder. They need only <code>openssl</code> and coreutils. <code>VERIFY.txt</code> in the bundle contains them too, and explains how to check discs.</p>
${paragraphs}<p>This digest identifies the bundle:</p>
<pre><code>sha512sum SHA512SUMS</code></pre>\n`;
}

function commands(block: string): Html[] {
  const lines = block.trimEnd().split('\n');
  return lines.map((line) => html`${foreign(line.trim())}\n`);
}
