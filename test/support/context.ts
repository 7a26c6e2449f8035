import type { Context, StowageEvent } from '../../src/core/context.ts';

/** A context whose clock goes on by a second each time it is read, here or in another, and which keeps what it hears. */
export interface ListeningContext extends Context {
  readonly events: StowageEvent[];
  readonly controller: AbortController;
}

/** The moment at which the small bundles are made. */
export const packedAt: Date = new Date('2026-11-21T10:00:00Z');

let seconds = 0;

export function context(values: Partial<Context> = {}): ListeningContext {
  const events: StowageEvent[] = [];
  const controller = new AbortController();
  return {
    events,
    controller,
    signal: controller.signal,
    emit: (event) => void events.push(event),
    now: () => {
      seconds += 1;
      return new Date(packedAt.getTime() + seconds * 1000);
    },
    ...values,
  };
}
