import { interrupted, StowageError, systemCode } from '../core/error.ts';
import { printableJson, printableLines } from '../core/text.ts';
import {
  type CommandResult,
  columnsOf,
  type Screen,
  showsUnicode,
  type Terminal,
} from './command.ts';
import { Meter } from './meter.ts';
import type { Verbosity } from './options.ts';
import { type Progress, stepText, taskText, warn } from './progress-words.ts';
import { wrapLines } from './wrap.ts';

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

/** Creates the progress display: JSON lines for programs, redrawn lines on a terminal, plain lines elsewhere. */
export async function createProgress(
  terminal: Terminal,
  json: boolean,
  { quiet = false, verbose = false }: Verbosity = {},
): Promise<Progress> {
  const progress = await chooseProgress(terminal, json, verbose);
  if (!quiet) return progress;
  return {
    emit: (event) => {
      if (event.type === 'warning' || event.type === 'failed') progress.emit(event);
    },
    stop: progress.stop,
  };
}

async function chooseProgress(
  terminal: Terminal,
  json: boolean,
  verbose: boolean,
): Promise<Progress> {
  const { stderr, env } = terminal;
  if (isForProgram(terminal, json)) return jsonProgress(terminal);
  const meter = new Meter(terminal.now);
  if (verbose || stderr.isTTY !== true || env['TERM'] === 'dumb')
    return plainProgress(stderr, meter);
  const { movingProgress } = await import('./moving-progress.ts');
  return movingProgress(terminal, meter, terminalStyle(env));
}

/** Whether stderr is JSON as well. With `--json` on a terminal, progress stays readable. */
function isForProgram({ stderr }: Terminal, json: boolean): boolean {
  return json && stderr.isTTY !== true;
}

/** Source of `NO_COLOR`: https://no-color.org. */
function terminalStyle(env: Terminal['env']): { unicode: boolean; color: boolean } {
  return { unicode: showsUnicode(env), color: (env['NO_COLOR'] ?? '') === '' };
}

/** One line per step, and occasional lines for long steps. */
function plainProgress(stderr: Screen, meter: Meter): Progress {
  return {
    emit: (event) => {
      switch (event.type) {
        case 'step':
          stderr.write(`${stepText(event)}\n`);
          return;
        case 'progress': {
          const text = meter.text(event);
          if (meter.isDue()) stderr.write(`${taskText(event)}: ${text}\n`);
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

/** An error for stderr: text, or a line of JSON if the other lines are JSON. */
export function errorLines(
  error: StowageError,
  terminal: Terminal,
  json: boolean,
  { verbose = false }: Verbosity = {},
): string {
  if (!isForProgram(terminal, json)) {
    const columns = columnsOf(terminal.stderr);
    return errorText(error, columns) + (verbose ? causeText(error, columns) : '');
  }
  const time = terminal.now().toISOString();
  return printableJson(`${JSON.stringify({ time, type: 'error', ...errorJson(error) })}\n`);
}

/** The result of a command as it is printed; as one line of JSON on stderr if stdout carries a stream. */
export function resultText(
  { json, text, onStderr }: CommandResult,
  { stderr, now }: Pick<Terminal, 'stderr' | 'now'>,
  asJson: boolean,
): string {
  if (!asJson) return printableLines(text);
  if (onStderr !== true || stderr.isTTY === true)
    return printableJson(`${JSON.stringify(json, null, 2)}\n`);
  const time = now().toISOString();
  return printableJson(`${JSON.stringify({ time, type: 'result', result: json })}\n`);
}

/** An error as JSON on stdout. */
export function errorResult(error: StowageError): string {
  return printableJson(`${JSON.stringify(errorJson(error), null, 2)}\n`);
}

/** An error as text: message, expected, found and hint. Lines are wrapped between words if `columns` is given. */
export function errorText(error: StowageError, columns?: number): string {
  const lines = [`stowage: error: ${error.message} [${error.code}]`];
  if (error.expected !== undefined && error.expected !== '')
    lines.push(`  expected: ${error.expected}`);
  const { found = '', defects } = error;
  const isSaid =
    defects.includes(found) ||
    (found.length > 20 && [error.message, ...defects].some((each) => each.includes(found)));
  if (found !== '' && !isSaid) lines.push(`  found:    ${found}`);
  for (const defect of defects) lines.push(`  - ${defect}`);
  lines.push(`  hint: ${error.hint}`);
  return `${wrapLines(printableLines(lines.join('\n')), columns)}\n`;
}

/**
 * The causes of an error, one per line. Of an error that is not Stowage's only the name and the code are shown: its message
 * can contain an address with credentials.
 */
function causeText(error: StowageError, columns: number | undefined): string {
  const lines: string[] = [];
  for (
    let { cause } = error as Error;
    cause instanceof Error && lines.length < 8;
    { cause } = cause
  )
    lines.push(
      cause instanceof StowageError
        ? `  caused by: ${cause.message} [${cause.code}]\n`
        : `  caused by: ${[cause.name, systemCode(cause)].filter((each) => each !== undefined).join(' ')}\n`,
    );
  return wrapLines(printableLines(lines.join('')), columns);
}

/** An error for `--json`. */
export function errorJson(error: StowageError): object {
  const { code, message, expected, found, hint, defects, exitStatus } = error;
  return { error: { code, message, expected, found, hint, defects, exitStatus } };
}

/** The program that starts and what it loads have a copy of the class each. */
function isStowageError(error: unknown): error is StowageError {
  return error instanceof StowageError || (error instanceof Error && error.name === 'StowageError');
}

/** Converts any failure to a {@link StowageError}. An unforeseen one keeps its message and asks for a report. */
export function toStowageError(error: unknown): StowageError {
  if (isStowageError(error)) return error;
  // Thrown by Node when a signal is aborted.
  if (error instanceof Error && error.name === 'AbortError')
    return interrupted(undefined, { cause: error });
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (systemCode(error)?.startsWith('ERR_OSSL_') === true)
    return new StowageError('host-unfit', 'OpenSSL cannot perform a required operation', {
      expected: 'support for every algorithm that stowage doctor lists',
      found: message,
      hint: 'run stowage doctor to see which algorithms this runtime supports',
      cause: error,
    });
  return new StowageError('internal', message, {
    hint: 'this is a bug in stowage: report it with the command and this message',
    cause: error,
  });
}
