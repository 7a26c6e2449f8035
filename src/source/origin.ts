import { StowageError } from '../core/error.ts';

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

/** All bytes of a small file. @throws StowageError `source-malformed` if there are more than `maxBytes` */
export async function wholeOf(
  origin: Origin,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of await origin.open(0, signal)) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes)
      throw new StowageError('source-malformed', `${origin.description} is too large`, {
        expected: `at most ${maxBytes} bytes`,
        found: 'more',
        hint: 'check that it is the file that the manifest means',
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
