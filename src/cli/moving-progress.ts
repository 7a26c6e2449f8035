import ora, { type Ora } from 'ora';
import { printableLines } from '../core/printable.ts';
import { inPlace } from './in-place.ts';
import type { Meter, Reading } from './meter.ts';
import { movingLines } from './moving-lines.ts';
import { type Progress, stepText, warn } from './progress-words.ts';
import type { Terminal } from './terminal.ts';

/** What a terminal of a person can show. */
export interface Looks {
  readonly unicode: boolean;
  readonly color: boolean;
}

const ASCII = { interval: 130, frames: ['-', '\\', '|', '/'] };
/** The spinner, the space after it, and a column that stays free, as some terminals wrap when the last one is used. */
const BESIDE = 3;

/** What long work says to a person: a line or two that move, with a bar, amount, rate and time left. */
export function movingProgress(terminal: Terminal, meter: Meter, looks: Looks): Progress {
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
    const came = meter.total();
    const symbol = marks[how][looks.unicode ? 0 : 1];
    const done = how === 'done' && came !== undefined ? `${text}  ${came}` : text;
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
            // The terminal stays as it is: what kills the program leaves nothing to restore.
            ...{ discardStdin: false, hideCursor: false },
            color: looks.color ? 'cyan' : false,
            spinner: looks.unicode ? 'dots' : ASCII,
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
