import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';
import type { ExchangeResponse } from '../../src/net/exchange.ts';
import { createHttp, type Http, type HttpOptions } from '../../src/net/http.ts';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface TestServer {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly url: string;
  readonly seen: Seen[];
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const running: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((stop) => stop()));
});

/** A server on a free loopback port until the test ends. */
export async function serve(handler: Handler): Promise<TestServer> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    seen.push({
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
    });
    handler(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  running.push(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, url: `http://${host}`, seen };
}

export interface PatientHttp {
  readonly http: Http;
  /** What it would have waited between tries, in milliseconds. */
  readonly pauses: number[];
}

/** A client that waits for nothing between tries. */
export function testHttp(options: HttpOptions = {}): PatientHttp {
  const pauses: number[] = [];
  const http = createHttp({
    random: () => 0,
    sleep: async (ms) => {
      pauses.push(ms);
    },
    ...options,
  });
  return { http, pauses };
}

/** A signal that nobody aborts. */
export const never: AbortSignal = new AbortController().signal;

export async function drain(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** An answer without a network. */
export function responding(status: number, headers: Record<string, string>): ExchangeResponse {
  return { status, headers: new Headers(headers), body: empty(), discard: () => {} };
}

async function* empty(): AsyncGenerator<Uint8Array> {}
