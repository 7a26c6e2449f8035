import { setTimeout as delay } from 'node:timers/promises';

export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** How often a request is sent before its server counts as unreachable. */
export const MAX_TRIES = 4;

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 60_000;

/** Waits, unless the signal aborts first. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal });
}

/**
 * Milliseconds to wait before try number `tried + 1`: what the server asked for, up to a minute; otherwise 0.5, 1, 2 s
 * and so on, with jitter over the upper half so that many clients do not return at once.
 */
export function pauseMs(tried: number, retryAfterMs: number | undefined, random: number): number {
  if (retryAfterMs !== undefined) return Math.min(retryAfterMs, MAX_PAUSE_MS);
  const full = Math.min(FIRST_PAUSE_MS * 2 ** (tried - 1), MAX_PAUSE_MS);
  return Math.round(full * (0.5 + random / 2));
}

/** The milliseconds of a Retry-After header (RFC 9110, 10.2.3): seconds, or a date. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
