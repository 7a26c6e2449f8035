import ora, { type Ora } from 'ora';
import { printableLines } from '../core/printable.ts';
import { inPlace } from './in-place.ts';
import type { Meter, Reading } from './meter.ts';
import { movingLines } from './moving-lines.ts';
import { type Progress, stepText, warn } from './progress-words.ts';
import type { Terminal } from './terminal.ts';

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
