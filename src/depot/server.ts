import type { IncomingMessage, ServerResponse } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { StowageError } from '../core/error.ts';
import { socketAddress } from '../core/host-address.ts';
import type { Catalog } from './catalog.ts';
import type { ConnectionLimits } from './connections.ts';
import { type DepotRequest, type Handler, routeOf } from './handler.ts';
import { homePage } from './home-page.ts';
import { hubApi } from './hub-api.ts';
import { openListener, type TlsFiles } from './listener.ts';
import { type AccessLine, type Answered, accessLine, Metrics } from './metrics.ts';
import { ociApi } from './oci-api.ts';
import { plainFiles } from './plain-files.ts';
import { sendBytes, sendJson } from './send.ts';
import type { Tokens } from './tokens.ts';

/** The default time that responses may continue after `close`. */
const GRACE_MS = 5_000;

export interface DepotOptions {
  /** Beyond loopback, TLS and tokens are required. */
  readonly address: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly tls?: TlsFiles | undefined;
  /** Who may send requests; everyone if absent. */
  readonly tokens?: Tokens | undefined;
  /** The path of `HF_ENDPOINT`, such as `/hub`, for a proxy that does not strip it. */
  readonly hubPrefix?: string | undefined;
  /** Called with a line of JSON for every response. */
  readonly onAnswer?: AccessLine;
  readonly graceMs?: number;
  /** Ceilings on connections; tests lower them. */
  readonly limits?: ConnectionLimits;
  /** The clock of the access log. */
  readonly now?: () => Date;
}

export interface Depot {
  /** Its address, such as `127.0.0.1:34567`. */
  readonly host: string;
  /** Closes idle connections immediately and the others after their response, or after the grace period. */
  close(): Promise<void>;
}

/**
 * Serves a catalog until it is closed.
 * @throws StowageError `host-unfit` if the port is in use or not permitted; `usage-invalid` if other hosts could send
 * requests without TLS or a token; `document-invalid` for a certificate or key that cannot be used
 */
export async function startDepot(catalog: Catalog, options: DepotOptions): Promise<Depot> {
  requireGuard(options);
  const metrics = new Metrics();
  const { address, graceMs = GRACE_MS, now = () => new Date() } = options;
  const handlers = [
    healthOf(metrics, catalog),
    plainFiles(catalog),
    hubApi(catalog, options.hubPrefix === undefined ? {} : { prefix: options.hubPrefix }),
    ociApi(catalog),
    homePage(catalog),
  ];
  const listener = await openListener(
    { ...options, graceMs, onConnection: (change) => metrics.connection(change) },
    (message, response) => void serve(message, response),
  );
  return {
    host: socketAddress({ address, port: listener.port }),
    close: listener.close,
  };

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = take(message);
    const holder = options.tokens?.holder(message.headers.authorization);
    const done = observe(message, response, (measured) => {
      const answered = { ...measured, route: routeOf(request.path) };
      metrics.end(answered);
      options.onAnswer?.(accessLine(now(), request, answered, holder));
    });
    metrics.begin();
    try {
      for (const [name, value] of Object.entries(COMMON)) response.setHeader(name, value);
      if (options.tokens !== undefined && holder === undefined && request.path !== '/healthz')
        return askForToken(request, response);
      await catalog.refresh?.();
      for (const handler of handlers) if (await handler(request, response)) return;
      sendJson({ request, response }, 404, { error: 'not found' });
    } catch {
      // The error may contain paths of the store: the client gets no details.
      if (response.headersSent) response.destroy();
      else sendJson({ request, response }, 500, { error: 'the store could not be read' });
    } finally {
      done();
    }
  }
}

const COMMON = { 'X-Content-Type-Options': 'nosniff' } as const;

/** Whether only this host can reach an address. */
export function isLoopbackAddress(address: string): boolean {
  return (
    address === 'localhost' || (isIP(address) !== 0 && loopback.check(address, family(address)))
  );
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

function requireGuard({ address, tls, tokens }: DepotOptions): void {
  if (isLoopbackAddress(address)) return;
  const missing = [
    ...(tls === undefined ? ['TLS'] : []),
    ...(tokens === undefined ? ['tokens'] : []),
  ];
  if (missing.length === 0) return;
  throw new StowageError(
    'usage-invalid',
    `the depot cannot listen on ${address} without TLS and tokens`,
    {
      expected: 'TLS and tokens on every address that other hosts can reach',
      found: `no ${missing.join(' and no ')}`,
      hint: 'give --tls-certificate, --tls-key and --token-file, or listen on 127.0.0.1',
    },
  );
}

/** `/healthz` and `/metrics`. */
function healthOf(metrics: Metrics, catalog: Catalog): Handler {
  return async (request, response) => {
    if (request.path !== '/healthz' && request.path !== '/metrics') return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      sendJson({ request, response }, 405, { error: 'read-only' }, { Allow: 'GET, HEAD' });
      return true;
    }
    const text = request.path === '/healthz' ? 'ok\n' : metrics.text(storeOf(catalog));
    sendBytes({ request, response }, 200, Buffer.from(text), {
      'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
      'Cache-Control': 'no-store',
    });
    return true;
  };
}

function storeOf(catalog: Catalog): { bytes: number; releases: number } {
  const releases = catalog.releases();
  const sizes = new Map(
    releases.flatMap(({ bundle }) => bundle.blobs.map(({ digest, size }) => [digest, size])),
  );
  return {
    bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    releases: releases.length,
  };
}

function askForToken(request: DepotRequest, response: ServerResponse): void {
  const message = 'a token is required';
  const body = request.path.startsWith('/v2')
    ? { errors: [{ code: 'UNAUTHORIZED', message, detail: null }] }
    : { error: message };
  sendJson({ request, response }, 401, body, {
    'WWW-Authenticate': 'Basic realm="stowage depot", charset="UTF-8"',
    Connection: 'close',
  });
}

/** Measures a response until it was sent or its connection closed. */
function observe(
  { socket }: IncomingMessage,
  response: ServerResponse,
  hear: (measured: Omit<Answered, 'route'>) => void,
): () => void {
  const began = performance.now();
  const before = socket.bytesWritten;
  let over = false;
  const end = (): void => {
    if (over) return;
    over = true;
    hear({
      status: response.statusCode,
      bytes: Math.max(0, socket.bytesWritten - before),
      milliseconds: performance.now() - began,
    });
  };
  response.once('close', end);
  return () => {
    if (response.writableFinished || response.destroyed) end();
  };
}

function take(message: IncomingMessage): DepotRequest {
  const [path = '', query = ''] = split(message.url ?? '');
  const method = message.method ?? '';
  return { message, method, path, query: new URLSearchParams(query) };
}

function split(target: string): readonly [string, string] {
  const mark = target.indexOf('?');
  return mark < 0 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)];
}
