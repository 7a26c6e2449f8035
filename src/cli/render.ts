import { StowageError, systemCode } from '../core/error.ts';
import { interrupted } from '../core/interrupted.ts';
import { printableLines } from '../core/printable.ts';
import { jsonProgress } from './json-progress.ts';
import { Meter } from './meter.ts';
import { type Progress, stepText, warn } from './progress-words.ts';
import type { Screen, Terminal } from './terminal.ts';

/** What long work shows: lines of JSON for a program, what moves for a person, and else lines that stay. */
export async function createProgress(terminal: Terminal, json: boolean): Promise<Progress> {
  const { stderr, env } = terminal;
  if (isForProgram(terminal, json)) return jsonProgress(terminal);
  const meter = new Meter(terminal.now);
  if (stderr.isTTY !== true || env['TERM'] === 'dumb') return plainProgress(stderr, meter);
  const { movingProgress } = await import('./moving-progress.ts');
  return movingProgress(terminal, meter, looksOf(env));
}

/** Whether stderr speaks JSON as well: who types `--json` at a terminal still wants to see how far it is. */
function isForProgram({ stderr }: Terminal, json: boolean): boolean {
  return json && stderr.isTTY !== true;
}

/** https://no-color.org; a console of the kernel, or one in another character set, has no signs beyond ASCII. */
function looksOf(env: Terminal['env']): { unicode: boolean; color: boolean } {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  return {
    unicode: env['TERM'] !== 'linux' && /utf-?8/i.test(locale),
    color: (env['NO_COLOR'] ?? '') === '',
  };
}

/** A line for each step, and one now and then of what is long. */
function plainProgress(stderr: Screen, meter: Meter): Progress {
  return {
    emit: (event) => {
      switch (event.type) {
        case 'step':
          stderr.write(`${stepText(event)}\n`);
          return;
        case 'progress': {
          const text = meter.text(event);
          if (meter.isDue()) stderr.write(`${printableLines(event.task)}: ${text}\n`);
          return;
        }
        case 'failed':
          stderr.write(`failed: ${printableLines(event.reason)}\n`);
          return;
        case 'waiting':
          stderr.write(`waiting for ${printableLines(event.reason)}\n`);
          return;
        case 'warning':
          warn(stderr, event);
      }
    },
    stop: () => {},
  };
}

/** What stderr is told of an error: text for a person, a line of JSON where its other lines are JSON. */
export function errorLines(error: StowageError, terminal: Terminal, json: boolean): string {
  if (!isForProgram(terminal, json)) return errorText(error);
  const time = terminal.now().toISOString();
  return `${JSON.stringify({ time, type: 'error', ...errorJson(error) })}\n`;
}

/** An error as a person reads it: what failed, expected and found, the remedy. */
export function errorText(error: StowageError): string {
  const lines = [`stowage: error: ${error.message} [${error.code}]`];
  if (error.expected !== undefined && error.expected !== '')
    lines.push(`  expected: ${error.expected}`);
  if (error.found !== undefined && error.found !== '') lines.push(`  found:    ${error.found}`);
  for (const defect of error.defects) lines.push(`  - ${defect}`);
  lines.push(`  hint: ${error.hint}`);
  return `${printableLines(lines.join('\n'))}\n`;
}

/** An error for `--json`. */
export function errorJson(error: StowageError): object {
  const { code, message, expected, found, hint, defects, exitStatus } = error;
  return { error: { code, message, expected, found, hint, defects, exitStatus } };
}

/** Any failure as a {@link StowageError}; what we did not foresee keeps its message and asks to be reported. */
export function toStowageError(error: unknown): StowageError {
  if (error instanceof StowageError) return error;
  // What Node itself throws when a signal is aborted.
  if (error instanceof Error && error.name === 'AbortError')
    return interrupted(undefined, { cause: error });
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (systemCode(error)?.startsWith('ERR_OSSL_') === true)
    return new StowageError('host-unfit', 'OpenSSL does not calculate what it was asked to', {
      expected: 'every algorithm that stowage doctor lists',
      found: message,
      hint: 'run stowage doctor: it says what this runtime calculates and what it does not',
      cause: error,
    });
  return new StowageError('internal', message, {
    hint: 'this is a defect of stowage: report it with the command and this message',
    cause: error,
  });
}
