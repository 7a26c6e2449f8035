import { StowageError, systemCode } from '../core/error.ts';
import { Meter } from './meter.ts';
import { type Progress, stepText, warn } from './progress-words.ts';
import type { Screen, Terminal } from './terminal.ts';
import { harmless } from './units.ts';

/** @param quiet for `--json`, where only warnings are shown */
export async function createProgress(terminal: Terminal, quiet: boolean): Promise<Progress> {
  const { stderr } = terminal;
  if (quiet) return { emit: (event) => warn(stderr, event), stop: () => {} };
  const meter = new Meter(terminal.now);
  if (stderr.isTTY !== true) return plainProgress(stderr, meter);
  const { movingProgress } = await import('./moving-progress.ts');
  return movingProgress(stderr, terminal.stdin.isTTY === true, meter);
}

/** A line for each step, and one every few seconds of what is long. */
function plainProgress(stderr: Screen, meter: Meter): Progress {
  return {
    emit: (event) => {
      if (event.type === 'step') stderr.write(`${stepText(event)}\n`);
      else if (event.type === 'failed') stderr.write(`failed: ${harmless(event.reason)}\n`);
      else if (event.type === 'warning') warn(stderr, event);
      else {
        const text = meter.text(event);
        if (meter.isDue()) stderr.write(`${event.task}: ${text}\n`);
      }
    },
    stop: () => {},
  };
}

/** An error as a person reads it: what failed, expected and found, the remedy. */
export function errorText(error: StowageError): string {
  const lines = [`stowage: error: ${error.message} [${error.code}]`];
  if (error.expected !== undefined && error.expected !== '')
    lines.push(`  expected: ${error.expected}`);
  if (error.found !== undefined && error.found !== '') lines.push(`  found:    ${error.found}`);
  for (const defect of error.defects) lines.push(`  - ${defect}`);
  lines.push(`  hint: ${error.hint}`);
  return `${harmless(lines.join('\n'))}\n`;
}

/** An error for `--json`. */
export function errorJson(error: StowageError): object {
  const { code, message, expected, found, hint, defects, exitStatus } = error;
  return { error: { code, message, expected, found, hint, defects, exitStatus } };
}

/** Any failure as a {@link StowageError}; what we did not foresee keeps its message and asks to be reported. */
export function toStowageError(error: unknown): StowageError {
  if (error instanceof StowageError) return error;
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
