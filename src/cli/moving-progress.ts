import ora, { type Ora } from 'ora';
import type { Meter } from './meter.ts';
import { type Progress, stepText, warn } from './progress-words.ts';
import type { Screen } from './terminal.ts';
import { harmless } from './units.ts';

/** What long work says to a person: one line that moves, with amount, rate and time left. */
export function movingProgress(stderr: Screen, ownStdin: boolean, meter: Meter): Progress {
  let spinner: Ora | undefined;
  let step = '';
  const finish = (symbol: string, text: string): void => {
    spinner?.stopAndPersist({ symbol, text });
    spinner = undefined;
  };
  return {
    emit: (event) => {
      switch (event.type) {
        case 'step':
          finish('✔', step);
          step = stepText(event);
          spinner = ora({
            stream: stderr as NodeJS.WriteStream,
            text: step,
            discardStdin: ownStdin,
          }).start();
          return;
        case 'progress':
          if (spinner !== undefined) spinner.text = `${step}  ${meter.text(event)}`;
          return;
        case 'failed':
          finish('✖', `${step}: ${harmless(event.reason)}`);
          return;
        case 'warning':
          spinner?.clear();
          warn(stderr, event);
      }
    },
    stop: (outcome) => finish(outcome === 'done' ? '✔' : '✖', step),
  };
}
