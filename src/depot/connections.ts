import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isIPv6, type Socket } from 'node:net';
import { KIB } from '../core/limits.ts';
import { startInTurn } from './event-loop-turns.ts';

export interface ConnectionLimits {
  /** Connections in all; memory and file descriptors follow from it. */
  readonly total: number;
  /** Connections of one peer: an IPv4 address, or the /64 of an IPv6 address. */
  readonly perPeer: number;
  /** How many connections a second may take the place of others, if their peers have some already or are offenders. */
  readonly replacements: number;
  /** Bytes that a client may send beyond the request that is being answered. */
  readonly heldBytes: number;
  /** How long a peer remains an offender after a connection of it exceeded a limit, in milliseconds; up to twice as long. */
  readonly offenderMs: number;
  /** How many peers are remembered as offenders. */
  readonly offenders: number;
  /** How often the speed of readers is checked, in milliseconds. */
  readonly checkMs: number;
  /** How many checks in a row a response may make less progress than {@link leastBytes}. */
  readonly checks: number;
  /** Bytes that a client must read between two checks. */
  readonly leastBytes: number;
}

export const connectionLimits: ConnectionLimits = {
  total: 512,
  perPeer: 128,
  replacements: 100,
  heldBytes: 16 * KIB,
  offenderMs: 10_000,
  offenders: 4096,
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
  readonly peerKey: string;
  /** Requests that were parsed and not answered, at most three; the first is being answered. */
  readonly open: { readonly message: IncomingMessage; readonly answer: () => void }[];
  /** Bytes that the parser has not seen. */
  held: Buffer;
  /** Hands them to the parser once it may see them. */
  resume: () => void;
  /** Bytes that had left the process at the last check. */
  sent: number;
  /** Checks in a row without enough progress. */
  slow: number;
}

const NONE: Buffer = Buffer.alloc(0);

/**
 * The connections of a server. Each parses and answers one request at a time, so a client that pipelines costs no more
 * than one that waits. Beyond a ceiling, the longest idle connection of the same peer, or of the peer with the most, makes
 * room for a new one; if all of them are being answered, a stalled one. Otherwise the new one is closed, unless its peer
 * has fewer connections than the peer with the most: then the newest of that peer is.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  /** By address and port of the client, which TCP and TLS connection have in common. */
  readonly #all = new Map<string, Connection>();
  readonly #peers = new Map<string, Set<Connection>>();
  #timer: NodeJS.Timeout | undefined;
  /** The second in which connections were replaced last, and how many. */
  #replaced = { second: 0, count: 0 };
  readonly #offenders: Offenders;

  constructor(limits: ConnectionLimits = connectionLimits) {
    this.#limits = limits;
    this.#offenders = new Offenders(limits);
  }

  /**
   * Whether a connection from this address is one of a flood: too many were replaced in this second. The first connection
   * of a peer never is, unless an earlier one exceeded a limit.
   */
  isFlood(address: string): boolean {
    const { total, perPeer, replacements } = this.#limits;
    const peer = peerOf(address);
    const size = this.#peers.get(peer)?.size ?? 0;
    const hasRoom = size === 0 || (size < perPeer && this.#all.size < total);
    if (hasRoom && !this.#offenders.has(peer)) return false;
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#replaced.second) this.#replaced = { second, count: 0 };
    this.#replaced.count += 1;
    return this.#replaced.count > replacements;
  }

  /** Counts a new connection, and closes one where there are too many. */
  add(socket: Socket): void {
    const key = peerOf(socket.remoteAddress ?? '');
    const peer = this.#peers.get(key) ?? new Set();
    this.#peers.set(key, peer);
    const client = clientOf(socket);
    const state = { open: [], held: NONE, resume: () => {}, sent: 0, slow: 0 };
    const connection: Connection = { socket, stream: socket, peer, peerKey: key, ...state };
    this.#all.set(client, connection);
    peer.add(connection);
    socket.once('close', () => {
      connection.open.splice(0);
      connection.held = NONE;
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

  /**
   * Hands what a client sends to the HTTP parser in pieces that end at most two heads, and the next one only after the
   * responses to the last. Node's own listener would make an object of every request in 64 KiB at once.
   * Call it after Node listens for data: on `connection`, over TLS on `secureConnection`.
   */
  meter(stream: Socket): void {
    const connection = this.#all.get(clientOf(stream));
    const [parse] = stream.listeners('data') as ((bytes: Buffer) => void)[];
    if (connection === undefined || parse === undefined) {
      stream.destroy();
      return;
    }
    connection.stream = stream;
    stream.removeListener('data', parse);
    const feed = (bytes: Buffer): void => {
      let rest = bytes;
      while (rest.length > 0 && isReady(connection)) {
        const end = endOfHead(rest);
        // Before the call, in which an error may close the connection.
        const piece = rest.subarray(0, end);
        rest = rest.subarray(end);
        parse(piece);
      }
      if (stream.destroyed || !stream.writable) rest = NONE;
      if (rest.length > this.#limits.heldBytes) this.#expel(connection);
      // A copy, because a part of a chunk would keep all 64 KiB of it.
      else connection.held = rest.length === 0 ? NONE : Buffer.from(rest);
    };
    connection.resume = (): void => {
      if (connection.held.length > 0 && isReady(connection)) feed(connection.held);
    };
    stream.on('data', (bytes: Buffer) => {
      feed(connection.held.length === 0 ? bytes : Buffer.concat([connection.held, bytes]));
    });
    stream.on('resume', connection.resume).on('drain', connection.resume);
  }

  /** A listener that calls another once the response before it on the same connection is complete. */
  oneByOne(listener: RequestListener): RequestListener {
    return (message: IncomingMessage, response: ServerResponse) => {
      const connection = this.#all.get(clientOf(message.socket));
      if (connection === undefined || connection.socket.destroyed) return;
      const { open, stream } = connection;
      const answer = (): void => {
        connection.slow = 0;
        response.once('close', () => {
          open.shift();
          if (stream.destroyed) return;
          open[0]?.answer();
          // After Node has finished with the response, too.
          if (open.length === 0) setImmediate(connection.resume);
        });
        startInTurn({
          weight: () => (response.destroyed ? undefined : connection.peer.size),
          go: () => listener(message, response),
        });
      };
      open.push({ message, answer });
      if (open.length === 1) answer();
    };
  }

  #makeRoom(peer: ReadonlySet<Connection>, arriving: Connection): void {
    const others = [...peer].filter((each) => each !== arriving && !each.socket.destroyed);
    const idle = others.find((each) => each.open.length === 0);
    const stalled = others.find((each) => each.slow > 0);
    const newest = peer.size > arriving.peer.size ? others.at(-1) : undefined;
    (idle ?? stalled ?? newest ?? arriving).socket.destroy();
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
      const { stream, sent } = connection;
      connection.sent = stream.bytesWritten - stream.writableLength;
      // With nothing to send, the disk is slow and not the client.
      const isSlow =
        connection.open.length > 0 &&
        stream.writableLength > 0 &&
        connection.sent - sent < leastBytes;
      connection.slow = isSlow ? connection.slow + 1 : 0;
      if (connection.slow >= checks) this.#expel(connection);
    }
  }

  /** Closes a connection that exceeded a limit, and remembers its peer. */
  #expel({ socket, peerKey }: Connection): void {
    socket.destroy();
    this.#offenders.add(peerKey);
  }

  #stopChecks(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Peers of which a connection exceeded a limit lately, in two periods of which the older one is forgotten as a whole. */
class Offenders {
  readonly #limits: ConnectionLimits;
  #began = 0;
  #recent = new Set<string>();
  #older: ReadonlySet<string> = new Set();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  add(peer: string): void {
    this.#forget();
    if (this.#recent.size < this.#limits.offenders) this.#recent.add(peer);
  }

  has(peer: string): boolean {
    this.#forget();
    return this.#recent.has(peer) || this.#older.has(peer);
  }

  #forget(): void {
    const periods = Math.floor((performance.now() - this.#began) / this.#limits.offenderMs);
    if (periods === 0) return;
    this.#older = periods === 1 ? this.#recent : new Set();
    this.#recent = new Set();
    this.#began = performance.now();
  }
}

/** Whether the parser may see more: no request waits for its response, except one whose body is incomplete. */
function isReady({ open, stream }: Connection): boolean {
  if (stream.destroyed || !stream.writable || stream.isPaused()) return false;
  return open.length === 0 || (open.length === 1 && open[0]?.message.complete === false);
}

/**
 * Where the first head in some bytes may end: after an empty line, and no earlier than the shortest request could. So
 * there are at most two, and empty lines alone do not cost a call each.
 */
function endOfHead(bytes: Buffer): number {
  for (let at = bytes.indexOf(LF, SHORTEST - 1); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return bytes.length;
}

const SHORTEST = 'GET / HTTP/1.0\n\n'.length;
const CR = 0x0d;
const LF = 0x0a;

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
