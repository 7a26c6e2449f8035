import type { Finding } from './finding.ts';

/** The release day of this version: a correct clock is not before it. Update it with PRODUCT_VERSION. */
export const RELEASED: Date = new Date('2026-11-21T00:00:00Z');
const PLAUSIBLE_YEARS = 20;

/** Whether the time is plausible. */
export function examineClock(now: Date): Finding {
  const last = new Date(RELEASED);
  last.setUTCFullYear(last.getUTCFullYear() + PLAUSIBLE_YEARS);
  const finding = { area: 'clock', check: 'clock', found: now.toISOString() } as const;
  if (now >= RELEASED && now <= last) return { ...finding, verdict: 'right' };
  return {
    ...finding,
    verdict: 'wrong',
    found: `${now.toISOString()}, ${now < RELEASED ? 'before' : `more than ${PLAUSIBLE_YEARS} years after`} this version was released, on ${RELEASED.toISOString().slice(0, 10)}`,
    hint: 'set the clock: signature checks depend on it',
  };
}
