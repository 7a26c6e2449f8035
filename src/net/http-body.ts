import { interrupted } from '../core/error.ts';
import { counted } from '../core/text.ts';
import { type Asked, malformed, NoAnswer, unreachable } from './http-error.ts';

/** A slower server holds the connection open on purpose. */
const MIN_BYTES_PER_SECOND = 1024;

/** A connection that can be aborted. */
export interface Connection {
  readonly asked: Asked;
  readonly controller: AbortController;
  readonly signal: AbortSignal;
  readonly idleTimeoutMs: number;
}

/**
 * The bytes of a body as they arrive. Gives up when none, or next to none, arrive within the idle timeout.
 * @throws StowageError `source-unreachable` when it breaks, `interrupted`
 */
export async function* readBody(
  body: AsyncIterable<Uint8Array>,
  connection: Connection,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { asked, controller, signal, idleTimeoutMs } = connection;
  let bytes = 0;
  let waiting = false;
  let waitedMs = 0;
  let fromBytes = 0;
  const idle = setTimeout(() => {
    if (waiting) controller.abort(new NoAnswer('bytes', idleTimeoutMs));
  }, idleTimeoutMs);
  const reader = body[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      waiting = true;
      idle.refresh();
      const since = performance.now();
      const { done, value } = await reader.next();
      waiting = false; // the consumer's time does not count
      if (done) break;
      bytes += value.byteLength;
      waitedMs += performance.now() - since;
      if (waitedMs >= idleTimeoutMs) {
        if (bytes - fromBytes < (waitedMs / 1000) * MIN_BYTES_PER_SECOND)
          throw new NoAnswer(`more than ${counted(bytes - fromBytes, 'byte')}`, idleTimeoutMs);
        waitedMs = 0;
        fromBytes = bytes;
      }
      yield value;
    }
    ended = true;
  } catch (cause) {
    if (signal.aborted) throw interrupted(signal);
    throw unreachable(asked, controller.signal.aborted ? controller.signal.reason : cause, bytes);
  } finally {
    clearTimeout(idle);
    if (!ended) {
      controller.abort();
      await reader.return?.().catch(() => {});
    }
  }
}

/** @throws StowageError `source-malformed` for a body of more than `maxBytes`, and as {@link readBody} */
export async function collect(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  asked: Asked,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes)
      throw malformed(asked, { expected: `at most ${maxBytes} bytes`, found: 'more' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The first `maxBytes` of a body as text; the rest is not read. */
export async function beginning(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8');
}

/**
 * Parses JSON that a server sent. Its own words stay out of the error: they may hold a token.
 * @throws StowageError `source-malformed`
 */
export function parseRemote(bytes: Uint8Array, asked: Asked): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw malformed(asked, {
      expected: 'JSON',
      found: `${counted(bytes.byteLength, 'byte')} of something else`,
    });
  }
}
