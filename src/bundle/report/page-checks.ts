import { foreign, type Html, html } from '../../core/html-text.ts';
import type { Report } from '../../format/report.ts';
import { amount, digest, duration, facts, moment, nothing, table } from '../html/html-parts.ts';

export function failure({ failure: error }: Report): Html {
  if (error === undefined) return nothing;
  const { code, message, expected, found, hint, defects } = error;
  return html`<section>
<h2>Why it failed</h2>
${facts([
  ['Error', html`${foreign(message)}`],
  ['Code', html`<code>${foreign(code)}</code>`],
  ['Expected', expected === '' ? undefined : html`${long(expected)}`],
  ['Found', found === '' ? undefined : html`${long(found)}`],
  [
    'Details',
    defects.length === 0
      ? undefined
      : html`<ul>${defects.map((each) => html`<li>${foreign(each)}</li>\n`)}</ul>`,
  ],
  ['What to do', html`${foreign(hint)}`],
])}</section>\n`;
}

/** Text, or a digest in groups. */
function long(text: string): Html {
  return /^(?:[0-9a-f]{2}){32,64}$/.test(text) ? digest(text) : html`${foreign(text)}`;
}

const outcomes = { passed: 'passed', failed: 'FAILED', 'not-run': 'not run' } as const;

export function steps(report: Report): Html {
  const rows = report.steps.map((step) => [
    html`<span class="whole">${foreign(step.name)}</span>`,
    html`${foreign(step.checks)}`,
    html`<span class="whole">${outcome(step.outcome)}</span>`,
    html`${foreign(
      [
        step.signatures === undefined ? '' : amount(step.signatures, 'signature'),
        step.files === undefined ? '' : amount(step.files, 'file'),
        step.bytes === undefined ? '' : amount(step.bytes, 'byte'),
      ]
        .filter((each) => each !== '')
        .join(', '),
    )}`,
    step.milliseconds === undefined
      ? nothing
      : html`<span class="whole">${foreign(duration(step.milliseconds))}</span>`,
  ]);
  return html`<section>
<h2>Verification steps</h2>
${table(['Step', 'What it checks', 'Result', 'Amount', 'Time'], rows)}</section>\n`;
}

function outcome(value: Report['steps'][number]['outcome']): Html {
  const text = foreign(outcomes[value]);
  if (value === 'passed') return html`<span class="outcome-passed">${text}</span>`;
  if (value === 'failed') return html`<span class="outcome-failed">${text}</span>`;
  return html`<span class="outcome-not-run">${text}</span>`;
}

export function signatures(report: Report): Html {
  const blocks = report.signatures.map(({ file, counted, reason, approves, signer }) => {
    const verdict = counted
      ? `counted, under root ${signer?.root ?? ''}`.trimEnd()
      : `not counted: ${reason ?? 'unknown reason'}`;
    return html`<div class="together">
<h3>${foreign(file)}</h3>
${facts([
  [
    'Result',
    counted
      ? html`<span class="outcome-passed">${foreign(verdict)}</span>`
      : html`<span class="${signer === undefined ? html`outcome-failed` : html`outcome-not-run`}">${foreign(verdict)}</span>`,
  ],
  ['Approval', approves && html`counts as an approval`],
  ['Signed by', signer && html`${foreign(signer.subject)}`],
  ['Signing time', signer && html`${moment(signer.signingTime)}, as stated by the signer`],
  ['Algorithm', signer && html`${foreign(signer.algorithm)}`],
  ['Serial number', signer && digest(signer.serial)],
  ['Certificate, SHA-256', signer && digest(signer.certificate)],
  ['Public key, SHA-256', signer && digest(signer.key)],
])}</div>\n`;
  });
  return html`<section>
<h2>Signatures</h2>
${approvalLine(report)}${blocks.length === 0 ? html`<p>No signature could be read.</p>\n` : blocks}</section>\n`;
}

function approvalLine({ signatures: all, trust: { roles } }: Report): Html {
  const role = roles.find((each) => each.name === 'approval');
  if (role === undefined) return nothing;
  const met = all.some((each) => each.approves);
  return html`<p>The trust document defines the role approval, which requires signatures by ${foreign(amount(role.threshold, 'key'))} in addition to the release signatures. ${met ? html`This requirement is met` : html`This requirement is <b>not</b> met. A site that requires approval will reject this bundle`}.</p>\n`;
}

export function trust({ trust: each }: Report): Html {
  return html`<section>
<h2>Trusted roots</h2>
${trustFacts(each)}</section>\n`;
}

/** A trust document, role by role and root by root. */
export function trustFacts(each: Report['trust']): Html {
  const roots = each.roots.map(
    (root) => html`<div class="together">
<h3>Root certificate: ${foreign(root.name)}</h3>
${facts([
  ['Subject', html`${foreign(root.subject)}`],
  ['Serial number', digest(root.serial)],
  ['Valid until', moment(root.notAfter)],
  ['Certificate, SHA-256', digest(root.certificate)],
])}</div>\n`,
  );
  return html`${facts([
    ['Trust anchor given', html`${foreign(each.subject)}`],
    [
      each.kind === 'root' ? 'Root certificate, SHA-256' : 'Trust document, SHA-256',
      digest(each.fingerprint),
    ],
    [
      'In force',
      each.kind === 'root' && each.walkedFrom === undefined
        ? html`the root certificate: one release signature required, no certificate revoked`
        : html`version ${foreign(each.version)}, issued ${moment(each.issuedAt)}${
            each.walkedFrom === undefined
              ? nothing
              : html`, found in the bundle. The given document is version ${foreign(each.walkedFrom)}; each document between them is signed as it and its predecessor require`
          }`,
    ],
    ['Expires', each.expiresAt === undefined ? undefined : moment(each.expiresAt)],
    ...each.roles.map(
      (role) =>
        [
          `Role ${role.name}`,
          html`${foreign(`signatures by ${amount(role.threshold, 'key')} under ${role.roots.join(' or ')}`)}${
            role.requires === undefined
              ? nothing
              : html`${foreign(`, with at least one under each of ${role.requires.join(', ')}`)}`
          }`,
        ] as const,
    ),
    ['Allowed algorithms', html`${foreign(each.algorithms.join(', '))}`],
    ['Revoked', html`${foreign(amount(each.revoked, 'certificate'))}`],
  ])}${roots}`;
}
