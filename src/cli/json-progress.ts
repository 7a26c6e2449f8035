import { printableJson } from '../core/text.ts';
import type { Progress } from './progress-words.ts';
import type { Terminal } from './terminal.ts';

const PROGRESS_MS = 1000;

/** Progress for programs: one JSON object per event, with at most one progress event a second and the last of a task. */
export function jsonProgress({ stderr, now }: Terminal): Progress {
  let lastWritten = 0;
  let last = '';
  return {
    emit: (event) => {
      const time = now();
      if (event.type === 'progress') {
        const key = `${event.task} ${event.done}`;
        const isEnd = event.done >= event.total && key !== last;
        if (time.getTime() - lastWritten < PROGRESS_MS && !isEnd) return;
        lastWritten = time.getTime();
        last = key;
      }
      stderr.write(printableJson(`${JSON.stringify({ time: time.toISOString(), ...event })}\n`));
    },
    stop: () => {},
  };
}
