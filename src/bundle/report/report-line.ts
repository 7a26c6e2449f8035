import { cutTo, printable } from '../../core/text.ts';

/** UTF-16 code units, fewer than any line of a report may have. */
const MAX_LENGTH = 3900;

/** Text of errors and certificates as one line of a report. */
export function reportLine(text: string): string {
  return cutTo(printable(text), MAX_LENGTH);
}
