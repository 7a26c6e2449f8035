import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isIPv6, type Socket } from 'node:net';
import { KIB } from '../core/limits.ts';

export interface ConnectionLimits {
  /** Connections in all; memory and file descriptors follow from it. */
  readonly total: number;
  /** Connections of one peer: an IPv4 address, or the /64 of an IPv6 address. */
  readonly perPeer: number;
  /** Requests of one connection that wait for the response before them. */
  readonly waitingPerConnection: number;
  /** Such requests of all connections. */
  readonly waiting: number;
  /** How often the speed of readers is checked, in milliseconds. */
  readonly checkMs: number;
  /** How many checks in a row a response may make less progress than {@link leastBytes}. */
  readonly checks: number;
  /** Bytes that a client must read between two checks. */
  readonly leastBytes: number;
}

export const connectionLimits: ConnectionLimits = {
  total: 2048,
  perPeer: 512,
  waitingPerConnection: 64,
  waiting: 2048,
  checkMs: 10_000,
  checks: 12,
  leastBytes: 4 * KIB,
};

interface Connection {
  /** The TCP connection. */
  readonly socket: Socket;
  /** What responses are written to: the same, or the TLS connection above it. */
  stream: Socket;
  readonly peer: Set<Connection>;
  /** Requests that wait, in order, each as the call that answers it. */
  readonly waiting: (() => void)[];
  answering: boolean;
  /** Bytes that had left the process at the last check. */
  sent: number;
  /** Checks in a row without enough progress. */
  slow: number;
}

/**
 * The connections of a server. Each answers one request at a time, so a client that pipelines costs no more than one that
 * waits. Beyond a ceiling, the longest idle connection of the same peer, or of the peer with the most, makes room for a
 * new one; if all of them are being answered, a stalled one, and otherwise the new one is closed.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  /** By address and port of the client, which TCP and TLS connection have in common. */
  readonly #all = new Map<string, Connection>();
  readonly #peers = new Map<string, Set<Connection>>();
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: ConnectionLimits = connectionLimits) {
    this.#limits = limits;
  }

  /** Counts a new connection, and closes one where there are too many. */
  add(socket: Socket): void {
    const key = peerOf(socket.remoteAddress ?? '');
    const peer = this.#peers.get(key) ?? new Set();
    this.#peers.set(key, peer);
    const client = clientOf(socket);
    const state = { waiting: [], answering: false, sent: 0, slow: 0 };
    const connection: Connection = { socket, stream: socket, peer, ...state };
    this.#all.set(client, connection);
    peer.add(connection);
    socket.once('close', () => {
      this.#waiting -= connection.waiting.splice(0).length;
      this.#all.delete(client);
      peer.delete(connection);
      if (peer.size === 0) this.#peers.delete(key);
      if (this.#all.size === 0) this.#stopChecks();
    });
    this.#timer ??= setInterval(() => this.#check(), this.#limits.checkMs).unref();
    const { total, perPeer } = this.#limits;
    if (peer.size > perPeer) this.#makeRoom(peer, connection);
    else if (this.#all.size > total) this.#makeRoom(this.#largestPeer(), connection);
  }

  /** A listener that calls another once the response before it on the same connection is complete. */
  inTurn(listener: RequestListener): RequestListener {
    return (message: IncomingMessage, response: ServerResponse) => {
      const connection = this.#all.get(clientOf(message.socket));
      if (connection === undefined || connection.socket.destroyed) return;
      connection.stream = message.socket;
      const answer = (): void => {
        connection.answering = true;
        connection.slow = 0;
        response.once('close', () => this.#next(connection));
        listener(message, response);
      };
      if (!connection.answering) return answer();
      const { waiting, waitingPerConnection } = this.#limits;
      if (this.#waiting >= waiting || connection.waiting.length >= waitingPerConnection) {
        connection.socket.destroy();
        return;
      }
      this.#waiting += 1;
      connection.waiting.push(answer);
    };
  }

  #next(connection: Connection): void {
    connection.answering = false;
    const next = connection.waiting.shift();
    if (next === undefined) return;
    this.#waiting -= 1;
    if (!connection.socket.destroyed) next();
  }

  #makeRoom(peer: ReadonlySet<Connection>, arriving: Connection): void {
    const others = [...peer].filter((each) => each !== arriving && !each.socket.destroyed);
    const idle = others.find((each) => !each.answering);
    const stalled = others.find((each) => each.slow > 0);
    (idle ?? stalled ?? arriving).socket.destroy();
  }

  #largestPeer(): ReadonlySet<Connection> {
    let largest: ReadonlySet<Connection> = new Set();
    for (const peer of this.#peers.values()) if (peer.size > largest.size) largest = peer;
    return largest;
  }

  /** Closes connections whose client reads a response too slowly. */
  #check(): void {
    const { checks, leastBytes } = this.#limits;
    for (const connection of this.#all.values()) {
      const { socket, stream, sent } = connection;
      connection.sent = stream.bytesWritten - stream.writableLength;
      // With nothing to send, the disk is slow and not the client.
      const isSlow =
        connection.answering && stream.writableLength > 0 && connection.sent - sent < leastBytes;
      connection.slow = isSlow ? connection.slow + 1 : 0;
      if (connection.slow >= checks) socket.destroy();
    }
  }

  #stopChecks(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function clientOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Who a connection counts for. One host usually has a whole /64 of IPv6 addresses. */
export function peerOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = (plain.split('%')[0] ?? '').split('::');
  const groups = head.split(':').filter(Boolean);
  const rest = tail?.split(':').filter(Boolean) ?? [];
  const missing = tail === undefined ? 0 : 8 - groups.length - rest.length;
  const all = [...groups, ...new Array<string>(Math.max(0, missing)).fill('0'), ...rest];
  return all.slice(0, 4).join(':');
}
