import { INVISIBLE } from '../../core/printable.ts';
import { writeJson } from '../../format/document.ts';
import { type Report, reportKind } from '../../format/report.ts';

/**
 * A report as the JSON that is filed and signed. What a screen would hide or obey (text direction, invisible
 * characters) is written as an escape: the value is the same, and `cat` shows it.
 */
export function reportJson(report: Report): Buffer {
  const text = writeJson(reportKind, report).toString('utf8');
  return Buffer.from(text.replace(INVISIBLE, escapeUnits));
}

function escapeUnits(character: string): string {
  if (character === '\n') return character;
  return [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
    .join('');
}
