// A program whose one command works for some seconds or until it is interrupted: for tests on a pseudo-terminal.
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runProcess } from '../../src/cli/process.ts';
import { interrupted } from '../../src/core/error.ts';

const STEPS = 80;

await runProcess({
  program: fileURLToPath(import.meta.url),
  groups: [
    {
      title: 'Work:',
      add: [
        (program, run) =>
          program.command('work').action(() =>
            run(async ({ emit, signal }) => {
              emit({ type: 'step', step: 'signatures' });
              emit({ type: 'step', step: 'verify', subject: '60 parts' });
              for (let done = 0; done <= STEPS; done++) {
                const subject = `part ${done} of ${STEPS} on disc-1-of-2`;
                emit({ type: 'progress', task: 'x', done, total: STEPS, unit: 'bytes', subject });
                if (signal.aborted) throw interrupted(signal);
                await pause(50);
              }
              return { json: {}, text: 'done\n' };
            }),
          ),
      ],
    },
  ],
});
