import { cells, cut } from './cells.ts';
import type { Reading } from './meter.ts';

const GAP = '  ';
const BAR_LEAST = 6;
const BAR_MOST = 30;

/**
 * The progress of a step in one or two lines of at most `columns`: step, bar and time left; below it amount, rate, part
 * and disc. What does not fit is omitted, the least important first.
 */
export function movingLines(step: string, reading: Reading | undefined, columns: number): string[] {
  if (reading === undefined) return [cut(step, columns)];
  const { share, amount, rate, left, subject } = reading;
  if (share === undefined) return [fitting([cut(step, columns), amount, subject], columns)];
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const tail = fitting([percent, left], columns - Math.min(cells(step), 12) - GAP.length);
  const label = cut(step, Math.max(columns - cells(tail) - GAP.length, 0));
  const room = columns - cells(label) - cells(tail) - 2 * GAP.length - 2;
  const bar = room < BAR_LEAST ? [] : [barOf(share, Math.min(room, BAR_MOST))];
  const first = [label, ...bar, tail].filter((each) => each !== '').join(GAP);
  const details = fitting([amount, rate, subject], columns - GAP.length);
  return details === '' ? [first] : [first, `${GAP}${details}`];
}

/** Joins as many of the texts, in order, as fit into one line. */
function fitting(texts: readonly (string | undefined)[], columns: number): string {
  let line = '';
  for (const text of texts) {
    if (text === undefined) continue;
    const longer = line === '' ? text : `${line}${GAP}${text}`;
    if (cells(longer) > columns) break;
    line = longer;
  }
  return line;
}

function barOf(share: number, width: number): string {
  const full = Math.floor(share * width);
  const head = full < width ? '>' : '';
  return `[${'='.repeat(full)}${head}${' '.repeat(width - full - head.length)}]`;
}
