import type { Emit, StowageEvent } from '../core/context.ts';
import { printableLines } from '../core/text.ts';
import { columnsOf, type Screen } from './command.ts';
import { wrapLines } from './wrap.ts';

/** Displays progress: redrawn lines on a terminal, plain lines elsewhere, JSON for programs. */
export interface Progress {
  readonly emit: Emit;
  /** Ends the display; call before anything else is printed. */
  stop(outcome: 'done' | 'failed'): void;
}

/** Display names of steps and tasks whose internal names are not clear. */
const words: Readonly<Record<string, string>> = {
  trust: 'verify trust document',
  signatures: 'verify signatures',
  index: 'verify index',
  identity: 'verify name, channel and platform',
  sequence: 'verify sequence and age',
  inventory: 'verify list of files',
  stage: 'import',
  disc: 'write disc',
  git: 'fetch from git',
  parity: 'compute recovery parts',
  rebuild: 'rebuild parts',
  'calculate modelcars': 'build modelcar images',
};

function displayName(name: string): string {
  return words[name] ?? name.replaceAll('-', ' ');
}

/** The display name of a task. */
export function taskText({ task }: Extract<StowageEvent, { type: 'progress' }>): string {
  return printableLines(displayName(task));
}

/** The display name of a step. */
export function stepText(event: Extract<StowageEvent, { type: 'step' }>): string {
  const step = displayName(event.step);
  const { subject = '' } = event;
  return printableLines(subject === '' ? step : `${step}: ${subject}`);
}

/** Prints a warning with its hint; ignores other events. */
export function warn(stderr: Screen, event: StowageEvent): void {
  if (event.type !== 'warning') return;
  const hint = event.hint === undefined ? '' : `\n  hint: ${event.hint}`;
  const text = printableLines(`stowage: warning: ${event.message}${hint}`);
  stderr.write(`${wrapLines(text, columnsOf(stderr))}\n`);
}
