import type { Emit, StowageEvent } from '../core/event.ts';
import type { Screen } from './terminal.ts';
import { harmless } from './units.ts';

/** Shows what long work says: a spinner with rate and time left on a terminal, a line a step elsewhere. */
export interface Progress {
  readonly emit: Emit;
  /** Ends what moves; call before anything else is printed. */
  stop(outcome: 'done' | 'failed'): void;
}

/** What a step is called. */
export function stepText(event: Extract<StowageEvent, { type: 'step' }>): string {
  const step = event.step.replaceAll('-', ' ');
  return harmless((event.subject ?? '') === '' ? step : `${step}: ${event.subject}`);
}

/** Shows a warning with its hint; nothing for any other event. */
export function warn(stderr: Screen, event: StowageEvent): void {
  if (event.type !== 'warning') return;
  stderr.write(`stowage: warning: ${harmless(event.message)}\n`);
  if (event.hint !== undefined) stderr.write(`  hint: ${harmless(event.hint)}\n`);
}
