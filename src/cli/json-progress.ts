import type { Progress } from './progress-words.ts';
import type { Terminal } from './terminal.ts';

const PROGRESS_MS = 1000;

/** What long work says to a program: each event a line of JSON, of progress one a second and the last of a task. */
export function jsonProgress({ stderr, now }: Terminal): Progress {
  let said = 0;
  let last = '';
  return {
    emit: (event) => {
      const time = now();
      if (event.type === 'progress') {
        const key = `${event.task} ${event.done}`;
        const isEnd = event.done >= event.total && key !== last;
        if (time.getTime() - said < PROGRESS_MS && !isEnd) return;
        said = time.getTime();
        last = key;
      }
      stderr.write(`${JSON.stringify({ time: time.toISOString(), ...event })}\n`);
    },
    stop: () => {},
  };
}
