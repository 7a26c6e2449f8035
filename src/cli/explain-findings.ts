import { counted } from '../core/text.ts';
import { explanations } from '../examine/explain.ts';
import type { Finding, Severity } from '../format/finding.ts';

const ORDER: readonly Severity[] = ['refusal', 'warning', 'note'];

/** A finding with its explanation and remedy, for `--json`. */
export interface ExplainedFinding extends Finding {
  readonly why: string;
  readonly remedy: string;
}

/** Explains findings, sorted by source, most severe first. */
export function explainFindings(findings: readonly Finding[]): ExplainedFinding[] {
  const rank = ({ severity }: Finding): number => ORDER.indexOf(severity);
  return findings
    .map((each) => ({ ...each, ...explanations[each.rule] }))
    .toSorted((a, b) => compare(a.source, b.source) || rank(a) - rank(b));
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Findings as text: what was found, why it matters, what to do, and lines to paste into the manifest. */
export function explainedText(findings: readonly Finding[]): string[] {
  const lines: string[] = [];
  let source = '';
  let reason = '';
  for (const each of explainFindings(findings)) {
    if (each.source !== source) {
      lines.push('', each.source);
      source = each.source;
      reason = '';
    }
    const severity = each.allowed === undefined ? each.severity : 'allowed';
    if (reason !== `${severity} ${each.rule}`) {
      lines.push(`  ${severity} ${each.rule}: ${each.why}`, `    what to do: ${each.remedy}`);
      reason = `${severity} ${each.rule}`;
    }
    lines.push(`    ${each.file}: ${each.message}`);
    if (each.digest !== undefined) lines.push(`      ${each.digest}`);
    if (each.allowed !== undefined) lines.push(`      allowed by the manifest: ${each.allowed}`);
    if (each.offer !== undefined)
      lines.push(
        '      for the manifest:',
        ...each.offer
          .trimEnd()
          .split('\n')
          .map((line) => `        ${line}`),
      );
  }
  return lines.length === 0 ? ['', 'no findings'] : lines;
}

/** Findings as lines, without notes; the last line counts all. */
export function findingLines(findings: readonly Finding[]): string[] {
  const shown = findings.filter((each) => each.severity !== 'note');
  const notes = findings.length - shown.length;
  return [
    ...shown.map((each) => {
      const severity = each.allowed === undefined ? each.severity : 'allowed';
      return `  ${severity}: ${each.source} ${each.file}: ${each.message} [${each.rule}]`;
    }),
    ...(findings.length === 0
      ? []
      : [`  ${countedFindings(findings.length, notes)}; run stowage lock --explain for details`]),
  ];
}

/** `1 note`, `2 findings`, `3 findings, 1 of them a note`. */
function countedFindings(all: number, notes: number): string {
  if (notes === all) return counted(notes, 'note');
  const among = notes === 1 ? '1 of them a note' : `${notes} of them notes`;
  return notes === 0 ? counted(all, 'finding') : `${counted(all, 'finding')}, ${among}`;
}
