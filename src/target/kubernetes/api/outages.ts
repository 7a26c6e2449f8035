/** What takes longer was held up: an API server answers within milliseconds, or within a second under load. */
const SLOW_MS = 2_000;

/** When the API server of a cluster, or a connection through it, did not serve this command. */
export class Outages {
  #total = 0;
  /** What lies before was counted. */
  #until = Number.NEGATIVE_INFINITY;
  #reason = '';

  /** For how long in all, milliseconds. Times that overlap count once. */
  total(): number {
    return this.#total;
  }

  /** Why it was the last time; empty if it never was. */
  reason(): string {
    return this.#reason;
  }

  /** Notes what failed. @param from when it began, milliseconds of the monotonic clock; it ends now */
  failed(from: number, reason: string): void {
    const now = performance.now();
    this.#total += Math.max(0, now - Math.max(from, this.#until));
    this.#until = now;
    this.#reason = reason;
  }

  /** Notes a request that was answered: one that took long was held up. */
  answered(from: number): void {
    const took = performance.now() - from;
    if (took >= SLOW_MS)
      this.failed(from, `the API server answered after ${Math.round(took / 1000)} s only`);
  }
}
