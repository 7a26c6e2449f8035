import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError } from '../core/error.ts';

/**
 * What lies between this host and the services of a target, where it can fail by itself, such as the API server of a cluster:
 * a service that was not reached did not fail.
 */
export interface Way {
  /** For how long it is known to have been down so far, milliseconds. */
  down(): number;
  /** Why it was down last; empty if it never was. */
  reason(): string;
  /**
   * Returns once it stands, at once if it does.
   * @throws StowageError `engine-failed` when it stays down for a minute, `interrupted`
   */
  stands(signal: AbortSignal): Promise<void>;
}

/** How often a question is asked while the way fails each time: about a minute and a half. */
const MAX_ASKED = 20;
/** How long the way may be down during one question. */
const PATIENCE_MS = 60_000;
const FIRST_WAIT_MS = 200;
const MAX_WAIT_MS = 5_000;
/** What takes longer is not asked twice: a way that failed meanwhile would have been noticed. */
const SHORT_MS = 15_000;

/**
 * Asks a service, and again as long as the way to it fails. A service does not answer if the way stood, twice: of several API
 * servers, one may have ended with the first question.
 * @param ask returns undefined without an answer
 * @throws StowageError `engine-failed` when the way fails each time, `interrupted`
 */
export async function askOver<T>(
  way: Way | undefined,
  ask: () => Promise<T | undefined>,
  signal: AbortSignal,
): Promise<T | undefined> {
  if (way === undefined) return ask();
  const first = way.down();
  let silent = 0;
  let wait = FIRST_WAIT_MS;
  for (let asked = 1; ; asked += 1) {
    const before = way.down();
    const began = performance.now();
    const answer = await ask();
    if (answer !== undefined) return answer;
    const took = performance.now() - began;
    await way.stands(signal);
    if (way.down() === before) {
      silent += 1;
      if (silent === 2 || took >= SHORT_MS) return undefined;
      continue;
    }
    silent = 0;
    if (asked === MAX_ASKED || way.down() - first >= PATIENCE_MS)
      throw new StowageError('engine-failed', 'the connection to the service fails each time', {
        expected: 'a connection to the service',
        found: way.reason(),
        hint: 'check the control plane of the cluster and the node of the service; then run the same command again',
      });
    await sleep(wait, undefined, { signal }).catch(() => {});
    wait = Math.min(2 * wait, MAX_WAIT_MS);
  }
}

/** Milliseconds of a clock that stands still while the way is down. */
export function timeOver(way: Way | undefined): number {
  return performance.now() - (way?.down() ?? 0);
}
