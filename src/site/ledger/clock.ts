import type { Emit } from '../../core/event.ts';

/**
 * The later of this host's clock and the newest signed time that the site has seen: time never runs backwards past
 * what somebody signed. Warns when the clock is behind it.
 */
export function laterOf(clock: Date, floor: string, emit: Emit): Date {
  const seen = new Date(floor);
  if (clock >= seen) return clock;
  emit({
    type: 'warning',
    message: `the clock of this host is wrong: it says ${clock.toISOString()}, and something signed at ${floor} was admitted before`,
    hint: 'set the clock; until then the signed time is taken for now',
  });
  return seen;
}
