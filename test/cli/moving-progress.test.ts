import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createProgress } from '../../src/cli/render.ts';
import type { StowageEvent } from '../../src/core/context.ts';
import { fakeTerminal, personScreen } from '../support/fake-terminal.ts';
import { screenText } from '../support/screen-text.ts';

const GIB = 1024 ** 3;
const utf8 = { LANG: 'C.UTF-8' };

function bytes(done: number): StowageEvent {
  const subject = 'part 3 of 60 on disc-1-of-2';
  return { type: 'progress', task: 'verify', done, total: 4 * GIB, unit: 'bytes', subject };
}

/** What a person has seen on a screen so wide, as it was written, and the end of it as it stands there. */
async function shown(
  columns: number,
  env: object,
  work: (
    emit: (event: StowageEvent) => void,
    screen: ReturnType<typeof personScreen>,
  ) => Promise<void> | void,
): Promise<{ written: string; stands: string[] }> {
  const screen = Object.assign(personScreen(), { columns });
  const signal = new AbortController().signal;
  let seconds = 0;
  const now = (): Date => {
    seconds += 1;
    return new Date(seconds * 1000);
  };
  const { terminal } = fakeTerminal('/', { stderr: screen, env, signal, now });
  const progress = await createProgress(terminal, false);
  try {
    await work(progress.emit, screen);
  } finally {
    progress.stop('done');
  }
  const written = String(screen.read());
  return { written, stands: screenText(written, columns).filter((line) => line !== '') };
}

const work = (emit: (event: StowageEvent) => void): void => {
  emit({ type: 'step', step: 'signatures' });
  emit({ type: 'step', step: 'verify', subject: '60 parts' });
  for (let done = 0; done <= 4; done++) emit(bytes(done * GIB));
};

describe('when progress is redrawn on a terminal', () => {
  it.each([10, 20, 40, 60, 80, 120, 200])(
    'leaves only one line per step on a screen of %i columns',
    async (columns) => {
      const { written, stands } = await shown(columns, utf8, async (emit) => {
        work(emit);
        await pause(200);
      });
      const kept = stands.join('').replaceAll(' ', '');
      expect(kept).toBe('✔verifysignatures✔verify:60parts4.00GiBin5s');
      expect(written).not.toMatch(/\u001b\[\?25l/);
    },
  );

  it('draws no line wider than the screen, also after it becomes narrower', async () => {
    const { written } = await shown(100, utf8, async (emit, screen) => {
      work(emit);
      await pause(150);
      screen.read();
      screen.columns = 30;
      screen.emit('resize');
      await pause(300);
      const drawn = String(screen.read());
      expect(drawn).toContain('verify');
      for (const line of drawn.split(/[\r\n]/))
        expect(line.replace(/\u001b\[\??\d*[A-Za-z]/g, '').length).toBeLessThan(30);
    });
    expect(written).toContain('✔');
  });

  it('prints a warning above the redrawn lines', async () => {
    const { stands } = await shown(80, utf8, async (emit) => {
      emit({ type: 'step', step: 'stage', subject: '9 parts' });
      await pause(100);
      emit({ type: 'warning', message: 'part 4 was rebuilt', hint: 'look' });
      await pause(200);
    });
    expect(stands).toEqual([
      'stowage: warning: part 4 was rebuilt',
      '  hint: look',
      '✔ import: 9 parts',
    ]);
  });

  it('stops redrawing while it waits for a person', async () => {
    const { stands } = await shown(80, utf8, async (emit, screen) => {
      emit({ type: 'step', step: 'stage', subject: '9 parts' });
      emit({ type: 'waiting', reason: 'a disc' });
      screen.read();
      await pause(250);
      expect(screen.read()).toBeNull();
      emit({ type: 'step', step: 'stage', subject: '4 parts' });
    });
    expect(stands).toEqual(['✔ import: 4 parts']);
  });

  it('uses neither color nor characters beyond ASCII if they are disabled', async () => {
    const env = { LANG: 'C', NO_COLOR: '1' };
    const { written } = await shown(80, env, async (emit) => {
      work(emit);
      await pause(200);
    });
    expect(written).toMatch(/^[\x00-\x7f]*$/);
    expect(written).not.toMatch(/\u001b\[\d*m/);
    expect(written).toContain('+ verify: 60 parts');
  });

  it('writes plain lines on a dumb terminal', async () => {
    const { written } = await shown(80, { TERM: 'dumb' }, work);
    expect(written).toMatch(
      /^verify signatures\nverify: 60 parts\nverify: [1-4].00 GiB of 4.00 GiB, .*\n$/,
    );
  });
});
