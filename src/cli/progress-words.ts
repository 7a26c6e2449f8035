import type { Emit, StowageEvent } from '../core/event.ts';
import { printableLines } from '../core/printable.ts';
import type { Screen } from './terminal.ts';

/** Shows what long work says: what moves on a terminal, lines elsewhere, JSON for a program. */
export interface Progress {
  readonly emit: Emit;
  /** Ends what moves; call before anything else is printed. */
  stop(outcome: 'done' | 'failed'): void;
}

/** Steps whose own names say little to who reads them. */
const words: Readonly<Record<string, string>> = {
  trust: 'trust: whose signatures count here',
  signatures: 'signatures over SHA512SUMS',
  index: 'bundle.json, as SHA512SUMS lists it',
  identity: 'identity: name, channel and platform',
  sequence: 'sequence: number and age',
  inventory: 'inventory: the files that lie there',
};

/** What a step is called. */
export function stepText(event: Extract<StowageEvent, { type: 'step' }>): string {
  const step = words[event.step] ?? event.step.replaceAll('-', ' ');
  return printableLines(
    (event.subject ?? '') === ''
      ? step
      : step.includes(': ')
        ? `${step} (${event.subject})`
        : `${step}: ${event.subject}`,
  );
}

/** Shows a warning with its hint; nothing for any other event. */
export function warn(stderr: Screen, event: StowageEvent): void {
  if (event.type !== 'warning') return;
  stderr.write(`stowage: warning: ${printableLines(event.message)}\n`);
  if (event.hint !== undefined) stderr.write(`  hint: ${printableLines(event.hint)}\n`);
}
