import type { Emit } from '../../core/context.ts';

/**
 * The later of the host's clock and the newest signed time that the site has seen. Warns if the clock is behind.
 */
export function laterOf(clock: Date, floor: string, emit: Emit): Date {
  const seen = new Date(floor);
  if (clock >= seen) return clock;
  emit({
    type: 'warning',
    message: `the clock of this host is wrong: it shows ${clock.toISOString()}, but a bundle or notice signed at ${floor} was already imported`,
    hint: 'set the clock; until then, stowage uses the signed time',
  });
  return seen;
}
