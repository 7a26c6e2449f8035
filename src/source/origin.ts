/** Where bytes with a known name come from. */
export interface Origin {
  /** For messages; no secrets, no query strings. */
  readonly description: string;
  /**
   * The bytes from `offset` to the end. One connection: when it breaks, the iteration throws, and whoever counted
   * the bytes opens again from there.
   * @throws StowageError `source-*`, `interrupted`; while iterating too
   */
  open(offset: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}
