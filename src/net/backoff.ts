import { setTimeout as delay } from 'node:timers/promises';

export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** How often a request is sent before its server counts as unreachable. */
export const MAX_TRIES = 4;

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 60_000;
/** How long a server may ask to wait: the window of the Hub's rate limits. */
const MAX_TOLD_MS = 300_000;

/** Waits, unless the signal aborts first. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal });
}

/**
 * Milliseconds to wait before try number `tried + 1`: what the server asked for, up to five minutes; otherwise 0.5, 1, 2 s
 * and so on, with jitter over the upper half so that many clients do not return at once.
 */
export function pauseMs(tried: number, retryAfterMs: number | undefined, random: number): number {
  if (retryAfterMs !== undefined) return Math.min(retryAfterMs, MAX_TOLD_MS);
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

/**
 * The milliseconds until a rate limit allows the next request: of `RateLimit: "api";r=0;t=20`
 * (draft-ietf-httpapi-ratelimit-headers-10), the longest of those that are used up; of the earlier
 * `RateLimit: limit=100, remaining=0, reset=20` and `RateLimit-Reset: 20`, their seconds.
 */
export function rateLimitMs(headers: Headers): number | undefined {
  const header = headers.get('ratelimit') ?? '';
  const seconds = header
    .split(',')
    .filter((each) => /;\s*r=0(?:;|\s|$)/.test(each))
    .flatMap((each) => /;\s*t=(\d{1,9})(?:;|\s|$)/.exec(each)?.[1] ?? []);
  const earlier = /(?:^|[,;\s])reset=(\d{1,9})(?:[,;\s]|$)/.exec(header)?.[1];
  const alone = /^\d{1,9}$/.exec(headers.get('ratelimit-reset') ?? '')?.[0];
  const told = seconds.length > 0 ? Math.max(...seconds.map(Number)) : (earlier ?? alone);
  return told === undefined ? undefined : Number(told) * 1000;
}
