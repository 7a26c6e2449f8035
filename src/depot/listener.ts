import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, BlockList, type Socket, type SocketAddress } from 'node:net';
import { createSecureContext } from 'node:tls';
import { StowageError, systemCode } from '../core/error.ts';
import { socketAddress } from '../core/host-address.ts';
import { KIB } from '../core/limits.ts';
import { type ConnectionLimits, Connections } from './connections.ts';
import { connectionArrived } from './event-loop-turns.ts';

const MAX_HEADER_BYTES = 16 * KIB;
/** Further ones are ignored; each costs several times its bytes. */
const MAX_HEADERS = 100;
const MAX_REQUESTS_PER_CONNECTION = 10_000;
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
const KEEP_ALIVE_MS = 5_000;
const CHECK_MS = 2_000;
const HANDSHAKE_MS = 10_000;
/** TLS 1.3, and of TLS 1.2 what is forward secret and authenticated encryption. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');
/** Connections that the kernel accepts ahead of the process, at most its own `somaxconn`; beyond, clients wait a second or more. */
const BACKLOG = 4096;
/** How long a client may stop reading a response. */
const STALL_MS = 300_000;

/** PEM: the certificate with its chain, and its key. */
export interface TlsFiles {
  readonly certificate: string | Buffer;
  readonly key: string | Buffer;
}

export interface ListenOptions {
  readonly address: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly tls?: TlsFiles | undefined;
  /** How long responses may continue after `close`, in milliseconds. */
  readonly graceMs: number;
  readonly onConnection?: (change: 1 | -1) => void;
  readonly limits?: ConnectionLimits | undefined;
}

export interface Listener {
  readonly port: number;
  /** Closes idle connections immediately and the others after their response, or after the grace period. */
  close(): Promise<void>;
}

/** A server with limits on everything that a client sizes. @throws StowageError `host-unfit`, `document-invalid` */
export async function openListener(
  options: ListenOptions,
  onRequest: RequestListener,
): Promise<Listener> {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CHECK_MS,
    insecureHTTPParser: false,
    noDelay: true,
  };
  const connections = new Connections(options.limits);
  const listener = connections.oneByOne(onRequest);
  const server =
    options.tls === undefined
      ? createServer(limits, listener)
      : openTls(options.tls, limits, listener);
  Object.assign(server, { blockList: new FloodList(connections) });
  server.on('connection', (socket: Socket) => connections.add(socket));
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (stream: Socket) =>
    connections.meter(stream),
  );
  server.maxHeadersCount = MAX_HEADERS;
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  server.setTimeout(STALL_MS);
  const close = graceful(server, options);
  return { port: await listen(server, options), close };
}

/**
 * Refuses the connections of a flood before Node makes a socket of each, which would cost ten times as much: others wait
 * behind them in the kernel's queue. Servers of `node:net` ask the list of their option `blockList` first.
 */
class FloodList extends BlockList {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    super();
    this.#connections = connections;
  }

  override check(address: string | SocketAddress): boolean {
    connectionArrived();
    return this.#connections.isFlood(typeof address === 'string' ? address : address.address);
  }
}

function openTls(
  { certificate, key }: TlsFiles,
  limits: ServerOptions,
  onRequest: RequestListener,
): Server {
  requireUsable({ certificate, key });
  const secure = { cert: certificate, key, minVersion: 'TLSv1.2' as const, ciphers: CIPHERS };
  return createTlsServer(
    { ...limits, ...secure, handshakeTimeout: HANDSHAKE_MS, honorCipherOrder: true },
    onRequest,
  );
}

/**
 * A context takes a certificate and a key of different kinds, and then every handshake fails.
 * @throws StowageError `document-invalid` for a certificate and a key that do not belong together
 */
export function requireUsable({ certificate, key }: TlsFiles): void {
  try {
    createSecureContext({ cert: certificate, key });
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)))
      throw new Error('the key is of another certificate');
  } catch (cause) {
    throw new StowageError('document-invalid', 'the TLS certificate or its key cannot be used', {
      expected: 'a certificate and its own private key, both in PEM, the key without passphrase',
      found: systemCode(cause) ?? 'something else',
      hint: 'compare what openssl x509 -pubkey and openssl pkey -pubout print for the two',
    });
  }
}

async function listen(server: Server, options: ListenOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(unfit(options, cause)));
    server.listen({ host: options.address, port: options.port, backlog: BACKLOG }, resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** Without this, Node would wait for connections that never sent a request. */
function graceful(
  server: Server,
  { graceMs, onConnection, tls }: ListenOptions,
): () => Promise<void> {
  /** All TCP connections, and those that can send requests: over TLS, the ones after their handshake. */
  const every = new Set<Socket>();
  const sockets = new Set<Socket>();
  /** How many requests of a connection are in progress; several if they are pipelined. */
  const busy = new Map<Socket, number>();
  let closing: Promise<void> | undefined;
  server.on('connection', (socket: Socket) => {
    every.add(socket);
    onConnection?.(1);
    socket.once('close', () => {
      every.delete(socket);
      onConnection?.(-1);
    });
  });
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse): void => {
    busy.set(socket, (busy.get(socket) ?? 0) + 1);
    response.once('close', () => {
      const left = (busy.get(socket) ?? 1) - 1;
      if (left > 0) busy.set(socket, left);
      else busy.delete(socket);
      if (closing !== undefined && left <= 0) socket.end();
    });
  });
  const stop = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const deadline = setTimeout(() => {
      for (const socket of every) socket.destroy();
    }, graceMs);
    for (const socket of sockets) if (!busy.has(socket)) socket.destroy();
    await closed;
    clearTimeout(deadline);
  };
  return () => {
    closing ??= stop();
    return closing;
  };
}

function unfit(options: ListenOptions, cause: Error): StowageError {
  const where = socketAddress(options);
  const code = systemCode(cause) ?? 'an unknown error';
  const { found = code, hint } = troubles[code] ?? { hint: 'choose another address or port' };
  return new StowageError('host-unfit', `the depot cannot listen on ${where}`, {
    expected: 'a free port that this user may open, on an address of this host',
    found,
    hint,
    cause,
  });
}

const NO_ADDRESS = {
  found: 'no interface of this host has the address',
  hint: 'choose an address that "ip address" lists; an IPv6 address needs a host on which IPv6 is on',
} as const;

const troubles: Readonly<Record<string, { readonly found?: string; readonly hint: string }>> = {
  EADDRINUSE: {
    found: 'the port is in use',
    hint: 'find the process that uses it with ss -ltnp, or choose another port',
  },
  EACCES: {
    found: 'this user may not open the port',
    hint: 'choose a port from 1024 on, or install the depot as a service with --install as root',
  },
  EADDRNOTAVAIL: NO_ADDRESS,
  EAFNOSUPPORT: NO_ADDRESS,
  EINVAL: NO_ADDRESS,
  ENOTFOUND: { hint: 'give an IPv4 or IPv6 address of this host' },
  EAI_AGAIN: { hint: 'give an IPv4 or IPv6 address of this host' },
};
