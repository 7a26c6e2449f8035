import { describe, expect, it } from 'vitest';
import { warn } from '../../src/cli/progress-words.ts';
import {
  createProgress,
  errorJson,
  errorLines,
  errorText,
  toStowageError,
} from '../../src/cli/render.ts';
import type { StowageEvent } from '../../src/core/context.ts';
import { errorCodes, StowageError } from '../../src/core/error.ts';
import { fakeTerminal, personScreen } from '../support/fake-terminal.ts';

const everything = new StowageError('part-damaged', 'a part is damaged', {
  expected: 'these bytes',
  found: 'others',
  hint: 'copy it again',
  defects: ['one', 'two'],
});

const events: readonly StowageEvent[] = [
  { type: 'step', step: 'load-image', subject: 'chat' },
  { type: 'progress', task: 'stage', done: 1, total: 2, unit: 'bytes' },
  { type: 'warning', message: 'beware', hint: 'look' },
  { type: 'waiting', reason: 'a disc' },
  { type: 'step', step: 'index' },
  { type: 'failed', reason: 'it broke' },
];

describe('when an error is shown', () => {
  it('shows message, expected, found, each defect and the hint', () => {
    expect(errorText(everything)).toBe(
      `stowage: error: a part is damaged [part-damaged]
  expected: these bytes
  found:    others
  - one
  - two
  hint: copy it again
`,
    );
  });

  it('omits empty fields', () => {
    const bare = new StowageError('internal', 'x', { expected: '', found: '', hint: 'y' });
    expect(errorText(bare)).toBe('stowage: error: x [internal]\n  hint: y\n');
  });

  it.each([40, 60, 80])('splits no word at %s columns', (columns) => {
    const path = '/media/disc-1-of-4/blobs/sha256/a-name-longer-than-a-narrow-terminal';
    const error = new StowageError(
      'part-damaged',
      'the third part of the model is damaged on this disc',
      {
        expected: 'the bytes that the release engineer signed when this bundle was packed',
        found: path,
        hint: 'copy the disc again in another drive, and then repeat the import',
        defects: ['a first defect with as many words as it takes to fill a line', 'two'],
      },
    );
    const wrapped = errorText(error, columns);
    const words = (text: string): string[] => text.split(/\s+/);
    expect(words(wrapped)).toEqual(words(errorText(error)));
    for (const line of wrapped.split('\n'))
      if (!line.includes(path)) expect(line.length).toBeLessThanOrEqual(columns);
    expect(wrapped).toMatch(/\n {2}expected: the bytes .*\n {12}\S/);
  });

  it('wraps on a terminal only, as warnings do', () => {
    const screen = Object.assign(personScreen(), { columns: 50 });
    const long = new StowageError('internal', 'word '.repeat(20).trim(), { hint: 'y' });
    const { terminal } = fakeTerminal('/', { stderr: screen });
    expect(errorLines(long, terminal, false).split('\n').length).toBeGreaterThan(3);
    expect(errorLines(long, fakeTerminal('/').terminal, false).split('\n')).toHaveLength(3);
    warn(screen, { type: 'warning', message: 'word '.repeat(20).trim() });
    for (const line of String(screen.read()).split('\n')) expect(line.length).toBeLessThan(51);
  });

  it('escapes control characters (attack 83)', () => {
    const evil = '\u001b[2J\u202e';
    const error = new StowageError('file-unexpected', evil, {
      expected: evil,
      found: evil,
      hint: evil,
      defects: [evil],
    });
    expect(errorText(error)).not.toMatch(/[\u001b\u202e]/);
    expect(JSON.stringify(errorJson(error))).not.toContain('\u001b');
  });

  it('returns the same as JSON', () => {
    expect(errorJson(everything)).toEqual({
      error: {
        code: 'part-damaged',
        message: 'a part is damaged',
        expected: 'these bytes',
        found: 'others',
        hint: 'copy it again',
        defects: ['one', 'two'],
        exitStatus: 10,
      },
    });
  });

  it('converts an abort error of Node to an interruption', () => {
    const { reason } = AbortSignal.abort();
    expect(toStowageError(reason)).toMatchObject({ code: 'interrupted', exitStatus: 130 });
  });

  it('asks for a report of an unforeseen error', () => {
    for (const thrown of [new TypeError('x is undefined'), 'text', undefined]) {
      const error = toStowageError(thrown);
      expect(error).toMatchObject({ code: 'internal', exitStatus: 1 });
      expect(error.cause).toBe(thrown);
      expect(error.hint).toContain('report it');
    }
    expect(toStowageError(new TypeError('x')).message).toBe('TypeError: x');
    expect(toStowageError(everything)).toBe(everything);
  });

  it.each([
    ['failed', 1],
    ['usage', 2],
    ['rolledBack', 3],
    ['untrusted', 10],
    ['locked', 11],
    ['unfit', 12],
    ['interrupted', 130],
  ] as const)('ends with its own status: %s %i', (kind, status) => {
    for (const code of errorCodes[kind]) {
      expect(new StowageError(code, '', { hint: '' }).exitStatus).toBe(status);
    }
  });
});

describe('when progress is shown', () => {
  it('prints one line per step if stderr is not a terminal', async () => {
    const { terminal, stdout, stderr } = fakeTerminal('/');
    const progress = await createProgress(terminal, false);
    for (const event of events) progress.emit(event);
    progress.stop('failed');
    expect(stderr()).toBe(
      'load image: chat\nstowage: warning: beware\n  hint: look\nwaiting for a disc\nverify index\nfailed: it broke\n',
    );
    expect(stdout()).toBe('');
  });

  it('redraws on a terminal, on stderr, and ends with the last state', async () => {
    const screen = personScreen();
    const { terminal, stdout } = fakeTerminal('/', { stderr: screen });
    const progress = await createProgress(terminal, false);
    for (const event of events) progress.emit(event);
    progress.stop('failed');
    progress.stop('failed');
    const shown = String(screen.read());
    expect(shown).toContain('load image: chat');
    expect(shown).toContain('it broke');
    expect(stdout()).toBe('');
  });

  it('escapes control characters (attack 83)', async () => {
    const { terminal, stderr } = fakeTerminal('/');
    const progress = await createProgress(terminal, false);
    progress.emit({ type: 'step', step: 'stage', subject: '\u001b[2J' });
    progress.emit({ type: 'warning', message: '\u001b[2J', hint: '\u0007' });
    progress.emit({ type: 'failed', reason: '\u009b' });
    expect(stderr()).not.toMatch(/[\u001b\u0007\u009b]/);
  });
});

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
