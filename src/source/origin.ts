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
  /**
   * Some of the bytes, where the source may be asked for such. Fewer may come, or all there are: `from` and `to` say
   * which; the iteration throws when they do not come whole.
   * @param end one past the last byte
   * @throws StowageError `source-*`, `interrupted`; while iterating too
   */
  readonly part?: (start: number, end: number, signal: AbortSignal) => Promise<OriginPart>;
}

/** Bytes of a file from one offset up to another. */
export interface OriginPart {
  readonly from: number;
  /** One past the last byte; absent when only the body's end tells. */
  readonly to?: number;
  readonly body: AsyncIterable<Uint8Array>;
}
