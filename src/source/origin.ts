/** A source of bytes, which can be opened at any offset. */
export interface Origin {
  /** For messages; no secrets, no query strings. */
  readonly description: string;
  /**
   * The bytes from `offset` to the end, over one connection. If it breaks, the iteration throws; the caller counts the
   * bytes and reopens at the new offset.
   * @throws StowageError `source-*`, `interrupted`; while iterating too
   */
  open(offset: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /**
   * A range of the bytes, if the source supports ranges. The response may be shorter or the whole content: see `from`
   * and `to`. The iteration throws if it is truncated.
   * @param end one past the last byte
   * @throws StowageError `source-*`, `interrupted`; while iterating too
   */
  readonly part?: (start: number, end: number, signal: AbortSignal) => Promise<OriginPart>;
}

/** A range of bytes of a file. */
export interface OriginPart {
  readonly from: number;
  /** One past the last byte; absent if only the end of the body shows it. */
  readonly to?: number;
  readonly body: AsyncIterable<Uint8Array>;
}
