import { interrupted } from '../core/interrupted.ts';
import { type Asked, malformed, Silence, unreachable } from './http-error.ts';

/** Slower is no line, but somebody who holds it open. */
const MIN_BYTES_PER_SECOND = 1024;

/** A connection that can be given up. */
export interface Connection {
  readonly asked: Asked;
  readonly controller: AbortController;
  readonly signal: AbortSignal;
  readonly idleTimeoutMs: number;
}

/**
 * The bytes of a body, as they come. Gives up when none, or next to none, comes for the idle time.
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
    if (waiting) controller.abort(new Silence('bytes', idleTimeoutMs));
  }, idleTimeoutMs);
  const reader = body[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      waiting = true;
      idle.refresh();
      const since = performance.now();
      const { done, value } = await reader.next();
      waiting = false; // the time that the consumer takes is not the server's
      if (done) break;
      bytes += value.byteLength;
      waitedMs += performance.now() - since;
      if (waitedMs >= idleTimeoutMs) {
        if (bytes - fromBytes < (waitedMs / 1000) * MIN_BYTES_PER_SECOND)
          throw new Silence(`more than ${bytes - fromBytes} bytes`, idleTimeoutMs);
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
    if (bytes > maxBytes) throw malformed(asked, `at most ${maxBytes} bytes`, 'more');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The first `maxBytes` of a body as text, whatever becomes of the rest. */
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
