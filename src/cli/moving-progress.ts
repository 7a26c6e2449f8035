import type { Ora } from 'ora';
import ora from 'ora';
import { printableLines } from '../core/text.ts';
import type { Screen, Terminal } from './command.ts';
import type { Meter, Reading } from './meter.ts';
import { type Progress, stepText, warn } from './progress-words.ts';

/** What a terminal can display. */
export interface TerminalStyle {
  readonly unicode: boolean;
  readonly color: boolean;
}

const ASCII = { interval: 130, frames: ['-', '\\', '|', '/'] };
/** The spinner, the space after it, and a free last column, because some terminals wrap when it is used. */
const BESIDE = 3;

/** Progress on a terminal: one or two lines, redrawn in place, with a bar, amount, rate and time left. */
export function movingProgress(terminal: Terminal, meter: Meter, style: TerminalStyle): Progress {
  const { stderr, signal } = terminal;
  let spinner: Ora | undefined;
  let step = '';
  let reading: Reading | undefined;
  const draw = (): void => {
    if (spinner === undefined) return;
    const label = signal.aborted ? `${step}: stopping` : step;
    const columns = Math.max((stderr.columns || 80) - BESIDE, 1);
    spinner.text = movingLines(label, reading, columns).join('\n');
  };
  const finish = (how: keyof typeof marks, text: string): void => {
    const total = meter.total();
    const symbol = marks[how][style.unicode ? 0 : 1];
    const done = how === 'done' && total !== undefined ? `${text}  ${total}` : text;
    spinner?.stopAndPersist({ symbol, text: done });
    spinner = undefined;
    reading = undefined;
  };
  stderr.on('resize', draw);
  signal.addEventListener('abort', draw, { once: true });
  return {
    emit: (event) => {
      switch (event.type) {
        case 'step':
          finish('done', step);
          step = stepText(event);
          spinner = ora({
            stream: inPlace(stderr),
            isEnabled: true,
            // The terminal's settings are not changed, so a kill leaves nothing to restore.
            ...{ discardStdin: false, hideCursor: false },
            color: style.color ? 'cyan' : false,
            spinner: style.unicode ? 'dots' : ASCII,
            text: movingLines(step, undefined, Math.max((stderr.columns || 80) - BESIDE, 1)).join(
              '\n',
            ),
          }).start();
          return;
        case 'progress':
          reading = meter.read(event);
          draw();
          return;
        case 'failed':
          finish('failed', `${step}: ${printableLines(event.reason)}`);
          return;
        case 'waiting':
          finish('waiting', `${step}: waiting for ${printableLines(event.reason)}`);
          return;
        case 'warning':
          spinner?.clear();
          warn(stderr, event);
      }
    },
    stop: (outcome) => {
      stderr.off('resize', draw);
      signal.removeEventListener('abort', draw);
      finish(outcome, step);
    },
  };
}

const marks = {
  done: ['✔', '+'],
  failed: ['✖', 'x'],
  waiting: ['…', '.'],
} as const;

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

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** The width of a text in terminal columns. The text must not contain line breaks or tabs. */
export function cells(text: string): number {
  let count = 0;
  for (const character of text) count += cellsOf(character);
  return count;
}

/** Truncates a text to at most this many columns, ending it in `..`. */
export function cut(text: string, columns: number): string {
  if (cells(text) <= columns) return text;
  if (columns <= 2) return '..'.slice(0, Math.max(0, columns));
  let room = columns - 2;
  let kept = '';
  for (const character of text) {
    room -= cellsOf(character);
    if (room < 0) break;
    kept += character;
  }
  return `${kept}..`;
}

function cellsOf(character: string): number {
  if (/\p{M}/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

const CLEAR_BELOW = '\u001b[J';
const CLEAR_TO_END = '\u001b[K';

/**
 * A screen for a spinner that redraws its lines in place. The cursor always stays at the start of these lines, so
 * nothing is shown twice and nothing has to be restored after a resize, a suspend or a kill.
 */
function inPlace(screen: Screen): NodeJS.WriteStream {
  const view = {
    isTTY: true,
    get columns(): number | undefined {
      return screen.columns;
    },
    write(text: string): boolean {
      // Complete lines and control sequences are written unchanged.
      if (text.endsWith('\n') || text.startsWith('\u001b[?')) return screen.write(text);
      const lines = text.split('\n');
      const up = lines.length > 1 ? `\u001b[${lines.length - 1}A` : '';
      return screen.write(`${lines.join(`${CLEAR_TO_END}\n`)}${CLEAR_BELOW}${up}\r`);
    },
    cursorTo: (): boolean => screen.write(`\r${CLEAR_BELOW}`),
    clearLine: (): boolean => true,
    moveCursor: (): boolean => true,
    once: (name: string, listener: () => void): unknown => screen.once(name, listener),
    removeListener: (name: string, listener: () => void): unknown =>
      screen.removeListener(name, listener),
  };
  return view as unknown as NodeJS.WriteStream;
}
