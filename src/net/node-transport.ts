import { Agent, type IncomingMessage, request as requestPlain } from 'node:http';
import { request as requestSecure, Agent as SecureAgent } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { SecureContextOptions } from 'node:tls';
import { lookupPublic } from './address.ts';
import {
  type ExchangeBody,
  type ExchangeRequest,
  type ExchangeResponse,
  socketHost,
  verifyCertificates,
} from './exchange.ts';
import type { Proxies } from './proxy.ts';

/** Node applies it until a proxy has opened a tunnel, and ignores the signal until then. */
const TUNNEL_TIMEOUT_MS = 30_000;
/** Of 64 KiB each, as Node reads from a socket. */
const MAX_QUEUED_CHUNKS = 16;
const MAX_DRAINED_BYTES = 65_536;

/** Sends a request, with the CAs and the client certificate of its host. */
export type NodeTransport = (
  request: ExchangeRequest,
  context: SecureContextOptions,
) => Promise<ExchangeResponse>;

/**
 * Requests over `node:http` and `node:https`, on connections that are kept for the next one.
 * @param proxies those that every request goes through
 */
export function createNodeTransport(proxies?: Proxies): NodeTransport {
  const proxyEnv = { http_proxy: proxies?.http?.href, https_proxy: proxies?.https?.href };
  const kept = { keepAlive: true, scheduling: 'lifo', ...(proxies && { proxyEnv }) } as const;
  const plain = new Agent(kept);
  const secure = new SecureAgent(kept);
  return ({ method, url, headers, body, signal, redirected }, context) => {
    // Field by field: Node turns a user in an address into an Authorization header.
    const options = {
      method,
      host: socketHost(url),
      ...(url.port !== '' && { port: url.port }),
      path: `${url.pathname}${url.search}`,
      headers: { ...headers, ...(body !== undefined && { 'content-length': sizeOf(body) }) },
      signal,
      timeout: TUNNEL_TIMEOUT_MS,
      ...(redirected && url.protocol === 'http:' && { lookup: lookupPublic }),
    };
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      const request =
        url.protocol === 'https:'
          ? requestSecure({ ...options, ...context, ...verifyCertificates, agent: secure })
          : requestPlain({ ...options, agent: plain });
      request.on('error', reject);
      request.on('response', (response) => {
        const { statusCode: status = 0 } = response;
        resolve({ status, headers: headersOf(response), ...bodyOf(response) });
        if (method === 'HEAD') response.resume();
        // An early answer: the rest of the upload is not wanted.
        response.once('end', () => request.writableFinished || request.destroy());
      });
      if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body))
        request.end(body);
      // A server may answer and close before it has read everything; its answer says more than the broken pipe.
      else pipeline(body.open(), request).catch(() => {});
    });
  };
}

function sizeOf(body: NonNullable<ExchangeRequest['body']>): number {
  return typeof body === 'string' || Buffer.isBuffer(body) ? Buffer.byteLength(body) : body.size;
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  }
  return headers;
}

/** Yields the chunks as they came from the socket; the stream's own iterator would copy them together. */
function bodyOf(response: IncomingMessage): ExchangeBody {
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
    // A short body is read, so that its connection serves the next request.
    const length = Number(response.headers['content-length'] ?? Number.NaN);
    if (length <= MAX_DRAINED_BYTES) response.resume();
    else response.destroy();
  };
  return { body: read(), discard };
}
