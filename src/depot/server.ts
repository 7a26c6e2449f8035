import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { StowageError, systemCode } from '../core/error.ts';
import { KIB } from '../core/limits.ts';
import type { Catalog } from './catalog.ts';
import type { DepotRequest, Handler } from './handler.ts';
import { hubApi } from './hub-api.ts';
import { ociApi } from './oci-api.ts';
import { sendJson } from './send.ts';

const MAX_HEADER_BYTES = 16 * KIB;
const MAX_CONNECTIONS = 1024;
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
const KEEP_ALIVE_MS = 5_000;
/** How long a client may read nothing of an answer. */
const STALL_MS = 300_000;
/** How long answers may go on after the depot was told to stop. */
const GRACE_MS = 5_000;

export interface DepotOptions {
  /** Other addresses need TLS and tokens, which this server does not have. */
  readonly address: '127.0.0.1';
  /** 0 takes any free port. */
  readonly port: number;
}

export interface Depot {
  /** Where it listens, such as `127.0.0.1:34567`. */
  readonly host: string;
  /** Ends idle connections at once and the others when they were answered, or after 5 seconds. */
  close(): Promise<void>;
}

/**
 * Serves a catalog on loopback until it is closed.
 * @throws StowageError `host-unfit` when the port is taken or not permitted
 */
export async function startDepot(catalog: Catalog, options: DepotOptions): Promise<Depot> {
  const handlers: readonly Handler[] = [hubApi(catalog), ociApi(catalog)];
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 5_000,
    },
    (message, response) => void answer(handlers, message, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(STALL_MS);
  const close = graceful(server);
  const port = await listen(server, options);
  return { host: `${options.address}:${port}`, close };
}

async function answer(
  handlers: readonly Handler[],
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const request = take(message);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  try {
    for (const handler of handlers) if (await handler(request, response)) return;
    sendJson(request, response, 404, { error: 'not found' });
  } catch {
    // What failed is the store's affair and may name its paths: the client learns that it did, and no more.
    if (response.headersSent) response.destroy();
    else sendJson(request, response, 500, { error: 'the store could not be read' });
  }
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

async function listen(server: Server, options: DepotOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(unfit(options, cause)));
    server.listen({ host: options.address, port: options.port }, resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** Node alone would wait for connections that were opened and never asked anything. */
function graceful(server: Server): () => Promise<void> {
  const sockets = new Set<Socket>();
  const busy = new Set<Socket>();
  let closing: Promise<void> | undefined;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    busy.add(socket);
    response.once('close', () => {
      busy.delete(socket);
      if (closing !== undefined) socket.end();
    });
  });
  const stop = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) if (!busy.has(socket)) socket.destroy();
    const deadline = setTimeout(() => server.closeAllConnections(), GRACE_MS);
    await closed;
    clearTimeout(deadline);
  };
  return () => {
    closing ??= stop();
    return closing;
  };
}

function unfit(options: DepotOptions, cause: Error): StowageError {
  const where = `${options.address}:${options.port}`;
  return new StowageError('host-unfit', `the depot cannot listen on ${where}`, {
    expected: 'a free port that this user may open',
    found: systemCode(cause) ?? 'an unknown error',
    hint: `find what listens there with ss -ltnp, or choose another port`,
    cause,
  });
}
