import { request } from 'node:http';
import { interrupted } from '../core/interrupted.ts';
import { MAX_ANSWER_BYTES } from '../core/limits.ts';

/** Where a running service listens on this host. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * Asks a service on this host, over HTTP, for something small.
 * @param seconds how long the whole exchange may take
 * @returns undefined when nothing answers yet: refused, reset, or not within the time
 * @throws StowageError `interrupted`
 */
export async function ask(
  endpoint: Endpoint,
  path: string,
  seconds: number,
  signal: AbortSignal,
  body?: unknown,
): Promise<Answer | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
  try {
    return await exchange(endpoint, path, limit, body);
  } catch (cause) {
    if (!signal.aborted) return undefined;
    throw interrupted(signal, {
      hint: 'run the same command again: it first completes or undoes what it had begun',
      cause,
    });
  }
}

function exchange(
  endpoint: Endpoint,
  path: string,
  signal: AbortSignal,
  body: unknown,
): Promise<Answer> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: endpoint.address,
        port: endpoint.port,
        path,
        method: payload === undefined ? 'GET' : 'POST',
        agent: false,
        signal,
        headers: {
          accept: 'application/json',
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': payload.length }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) response.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(chunks).toString('utf8'),
          });
        });
      },
    );
    call.on('error', reject);
    call.end(payload);
  });
}
