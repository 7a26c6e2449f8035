import { describe, expect, it } from 'vitest';
import { createProgress, errorLines } from '../../src/cli/render.ts';
import { StowageError } from '../../src/core/error.ts';
import { fakeTerminal, personScreen } from '../support/fake-terminal.ts';

const broken = new StowageError('part-damaged', 'a part is damaged', { hint: 'copy it again' });

describe('when JSON is requested', () => {
  it('writes one line per event to stderr, with one progress event a second and the last one', async () => {
    let milliseconds = 0;
    const { terminal, stdout, stderr } = fakeTerminal('/', { now: () => new Date(milliseconds) });
    const progress = await createProgress(terminal, true);
    milliseconds = 5000;
    progress.emit({ type: 'step', step: 'verify', subject: '9 parts' });
    for (let done = 0; done <= 30; done++) {
      milliseconds += 100;
      progress.emit({ type: 'progress', task: 'verify', done, total: 30, unit: 'bytes' });
    }
    progress.emit({ type: 'progress', task: 'verify', done: 30, total: 30, unit: 'bytes' });
    progress.emit({ type: 'warning', message: 'beware\u001b[2J' });
    progress.stop('done');
    const events = stderr()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; done?: number; time: string });
    expect(events.map(({ type, done }) => done ?? type)).toEqual([
      'step',
      0,
      10,
      20,
      30,
      'warning',
    ]);
    expect(events[0]).toEqual({
      time: '1970-01-01T00:00:05.000Z',
      ...{ type: 'step', step: 'verify', subject: '9 parts' },
    });
    expect(stderr()).not.toContain('\u001b');
    expect(stdout()).toBe('');
  });

  it('also writes the error there', () => {
    const { terminal } = fakeTerminal('/');
    const line = errorLines(broken, terminal, true);
    expect(line).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(line)).toMatchObject({
      type: 'error',
      error: { code: 'part-damaged', exitStatus: 10 },
    });
    expect(errorLines(broken, terminal, false)).toMatch(/^stowage: error: /);
  });

  it('writes text on a terminal', async () => {
    const screen = personScreen();
    const { terminal } = fakeTerminal('/', { stderr: screen, env: { LANG: 'C.UTF-8' } });
    const progress = await createProgress(terminal, true);
    progress.emit({ type: 'step', step: 'verify' });
    progress.stop('done');
    expect(String(screen.read())).toContain('✔ verify');
    expect(errorLines(broken, terminal, true)).toMatch(/^stowage: error: /);
  });
});
