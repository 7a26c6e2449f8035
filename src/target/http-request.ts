import { Agent, request } from 'node:http';
import { interrupted, systemCode } from '../core/error.ts';
import { MAX_ANSWER_BYTES } from '../core/limits.ts';

/** Where a service listens on this host. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** The API key of the service, read when the first request needs it; undefined if it has none, or it is unknown. */
  readonly apiKey?: () => Promise<string | undefined>;
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
  /** Whether the server answers everybody, so that its API key is not sent. */
  readonly open?: boolean;
  /** For one of many requests; without it, the request has a connection of its own. */
  readonly agent?: Connections;
}

/** Connections that many requests use in turn. */
export type Connections = Agent;

/** Connections that are kept until they are destroyed. @param most at once */
export function keepConnections(most: number): Connections {
  return new Agent({ keepAlive: true, maxSockets: most });
}

/** Stands for an API key that a server repeats in an answer or in its log. */
export const REDACTED = '[API key]';

/**
 * Sends a request to a service on this host. The response is at most {@link MAX_ANSWER_BYTES} long.
 * @returns undefined without a response: the connection was refused or reset, or the time ran out
 * @throws StowageError `interrupted`
 */
export async function sendRequest(request: HttpRequest): Promise<HttpResponse | undefined> {
  const { endpoint, seconds, signal } = request;
  const key = request.open === true ? undefined : await endpoint.apiKey?.();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(seconds * 1000))]);
  try {
    const response = await exchange({ ...request, signal: limit }, key).catch((error: unknown) => {
      // The server closed a kept connection as this request was sent.
      if (!(error instanceof StaleConnection)) throw error;
      const { agent: _, ...rest } = request;
      return exchange({ ...rest, signal: limit }, key);
    });
    // What a server answers is shown and kept.
    return key === undefined
      ? response
      : { ...response, body: response.body.replaceAll(key, REDACTED) };
  } catch (cause) {
    if (!signal.aborted) return undefined;
    throw interrupted(signal, {
      hint: 'run the same command again: it first completes or undoes the interrupted change',
      cause,
    });
  }
}

/** A kept connection ended before a response began. */
class StaleConnection extends Error {}

function exchange(
  { endpoint, path, signal, body, agent }: HttpRequest,
  key: string | undefined,
): Promise<HttpResponse> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: endpoint.address,
        port: endpoint.port,
        path,
        method: payload === undefined ? 'GET' : 'POST',
        agent: agent ?? false,
        signal,
        headers: {
          accept: 'application/json',
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
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
    call.on('error', (error) => {
      const stale = call.reusedSocket && systemCode(error) === 'ECONNRESET';
      reject(stale ? new StaleConnection() : error);
    });
    call.end(payload);
  });
}
