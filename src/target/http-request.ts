import { request } from 'node:http';
import { interrupted } from '../core/error.ts';
import { MAX_ANSWER_BYTES } from '../core/limits.ts';

/** Where a service listens on this host. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface HttpResponse {
  readonly status: number;
  readonly body: string;
}

export interface HttpRequest {
  readonly endpoint: Endpoint;
  readonly path: string;
  /** The limit of the whole exchange. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** Sent as JSON with POST; without it the request is a GET. */
  readonly body?: unknown;
}

/**
 * Sends a request to a service on this host. The response is at most {@link MAX_ANSWER_BYTES} long.
 * @returns undefined without a response: the connection was refused or reset, or the time ran out
 * @throws StowageError `interrupted`
 */
export async function sendRequest(request: HttpRequest): Promise<HttpResponse | undefined> {
  const { seconds, signal } = request;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(seconds * 1000))]);
  try {
    return await exchange({ ...request, signal: limit });
  } catch (cause) {
    if (!signal.aborted) return undefined;
    throw interrupted(signal, {
      hint: 'run the same command again: it first completes or undoes the interrupted change',
      cause,
    });
  }
}

function exchange({ endpoint, path, signal, body }: HttpRequest): Promise<HttpResponse> {
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
          if (size > MAX_ANSWER_BYTES) response.destroy(new Error('the response is too long'));
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
