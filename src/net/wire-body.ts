import type { IncomingMessage } from 'node:http';

/** Of 64 KiB each, as node reads from a socket. */
const MAX_QUEUED_CHUNKS = 16;
const MAX_DRAINED_BYTES = 65_536;

/** The body of an answer: to be read, or to be let go of. */
export interface WireBody {
  /** As it came, without any decoding; gives up the connection when it is not read to its end. */
  readonly body: AsyncIterable<Uint8Array>;
  readonly discard: () => void;
}

/** Hands on the chunks as they came from the socket; the stream's own iterator would copy them together. */
export function bodyOf(response: IncomingMessage): WireBody {
  const queue: Uint8Array[] = [];
  const state: { ended: boolean; failure?: Error } = { ended: false };
  let wake = (): void => {};
  response.on('end', () => {
    state.ended = true;
    wake();
  });
  response.on('error', (error) => {
    state.failure = error;
    wake();
  });
  response.on('close', () => {
    state.failure ??= new Error('the connection closed');
    wake();
  });
  const read = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    response.on('data', (chunk: Uint8Array) => {
      if (queue.push(chunk) >= MAX_QUEUED_CHUNKS) response.pause();
      wake();
    });
    try {
      for (;;) {
        const chunk = queue.shift();
        if (chunk !== undefined) {
          if (queue.length === 0 && response.isPaused()) response.resume();
          yield chunk;
        } else if (state.ended) return;
        else if (state.failure !== undefined) throw state.failure;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      if (!state.ended) response.destroy();
    }
  };
  const discard = (): void => {
    // A short one is read, so that its connection serves the next request.
    const length = Number(response.headers['content-length'] ?? Number.NaN);
    if (length <= MAX_DRAINED_BYTES) response.resume();
    else response.destroy();
  };
  return { body: read(), discard };
}
