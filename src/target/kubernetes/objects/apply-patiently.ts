import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted } from '../../../core/error.ts';
import type { Attempt } from '../api/cluster.ts';
import type { ObjectApi } from '../api/object-api.ts';
import type { PlacedObject } from './sets.ts';

const POLL_MS = 500;
/** How long a webhook that does not answer is waited for: its pods may be starting. */
const WEBHOOK_MS = 120_000;

/** Applies an object, also while the webhook that judges it starts. */
export function applyPatiently(
  api: ObjectApi,
  { placed, object }: PlacedObject,
  signal: AbortSignal,
): Promise<Attempt> {
  return patiently(() => api.tryApply(placed, object, signal), signal);
}

/** Repeats a write that fails because a webhook does not answer yet. */
export async function patiently(
  write: () => Promise<Attempt>,
  signal: AbortSignal,
): Promise<Attempt> {
  const began = performance.now();
  for (;;) {
    const answer = await write();
    if (answer.failure === undefined || !/failed calling webhook/.test(answer.failure.message))
      return answer;
    if (signal.aborted) throw interrupted(signal);
    if (performance.now() - began >= WEBHOOK_MS) return answer;
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}
