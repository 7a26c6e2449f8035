import { createSocket, type Socket as Datagrams, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { readQuestion, writeAnswer } from './dns-message.ts';
import { type FirstBytes, MAX_FIRST_BYTES, readFirstBytes } from './first-bytes.ts';
import type { PeerNames } from './peer-names.ts';
import { sinkPorts } from './sealed-network.ts';
import { type SocketOwner, socketOwner } from './socket-owner.ts';

/** What the sink saw of one attempt. */
export interface Seen extends FirstBytes, Partial<SocketOwner> {
  readonly protocol: 'tcp' | 'udp' | 'dns';
  readonly at: Date;
  readonly source: string;
  readonly sourcePort: number;
  /** The name that was looked up. */
  readonly name?: string;
}

export interface SinkOptions {
  readonly peers: PeerNames;
  /** The name of a container, by what {@link socketOwner} says of it. */
  readonly containerName: (container: string) => string;
  /** Whether there are addresses of IPv6. */
  readonly ipv6: boolean;
  readonly now: () => Date;
}

export interface Sink {
  /** In their order; how many more there were than are kept. */
  seen(): { readonly all: readonly Seen[]; readonly more: number };
  /** The name for which an address was given out. */
  nameOf(address: string): string | undefined;
  close(): Promise<void>;
}

/** How many attempts are kept. */
const MAX_SEEN = 50_000;
const MAX_NAMES = 65_000;
const MAX_CONNECTIONS = 2_000;
const WAIT_MS = 3_000;
const NO_HTTP =
  'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
/** A fatal handshake_failure (RFC 8446, section 6). */
const NO_TLS = Buffer.from([0x15, 3, 3, 0, 2, 2, 40]);

/**
 * Answers every name with an address of its own, accepts every connection and datagram that {@link sealNetwork} redirects, and
 * answers none of them with what was asked for. It sends nothing but these answers.
 */
export async function openSink({ peers, containerName, ipv6, now }: SinkOptions): Promise<Sink> {
  const all: Seen[] = [];
  let more = 0;
  const keep = (seen: Seen): void => {
    if (all.length < MAX_SEEN) all.push(seen);
    else more += 1;
  };
  // At once: a container that is removed has no name.
  const ownerOf = (...about: Parameters<typeof socketOwner>): SocketOwner | undefined => {
    const owner = socketOwner(...about);
    return owner?.container === undefined
      ? owner
      : { ...owner, container: containerName(owner.container) };
  };
  const names = new NamedAddresses();
  const connections = new Set<Socket>();
  const answer = async (
    query: Buffer,
    transport: 'tcp' | 'udp',
    { address, port }: { readonly address: string; readonly port: number },
  ): Promise<Buffer | undefined> => {
    const question = readQuestion(query);
    if (question === undefined) return undefined;
    const { name } = question;
    if (peers.has(name)) return peers.answer(query, question, address);
    // Before it is answered: its process waits.
    const owner = ownerOf(transport, address, port);
    keep({ protocol: 'dns', at: now(), source: address, sourcePort: port, name, ...owner });
    return writeAnswer(query, question, names.of(name));
  };

  const anyTcp = createServer({ pauseOnConnect: false }, (socket) => {
    const source = plain(socket.remoteAddress ?? '');
    const sourcePort = socket.remotePort ?? 0;
    const at = now();
    const owner = ownerOf('tcp', source, sourcePort);
    let bytes = Buffer.alloc(0);
    let told = false;
    const tell = (first: FirstBytes): void => {
      if (told) return;
      told = true;
      keep({ protocol: 'tcp', at, source, sourcePort, ...owner, ...first });
      const reply = first.path !== undefined ? NO_HTTP : bytes[0] === 0x16 ? NO_TLS : '';
      socket.end(reply);
      socket.destroySoon();
    };
    connections.add(socket);
    socket.setTimeout(WAIT_MS, () => tell({}));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      connections.delete(socket);
      tell({});
    });
    socket.on('end', () => tell(readFirstBytes(bytes) ?? {}));
    socket.on('data', (chunk: Buffer) => {
      if (told) return;
      bytes = Buffer.concat([bytes, chunk]).subarray(0, MAX_FIRST_BYTES);
      const first = readFirstBytes(bytes);
      if (first !== undefined) tell(first);
      else if (bytes.length >= MAX_FIRST_BYTES) tell({});
    });
  });
  const dnsTcp = createServer((socket) => {
    const address = plain(socket.remoteAddress ?? '');
    const port = socket.remotePort ?? 0;
    let bytes = Buffer.alloc(0);
    connections.add(socket);
    socket.setTimeout(WAIT_MS, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => connections.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]).subarray(0, MAX_FIRST_BYTES);
      // RFC 1035, section 4.2.2: two bytes of length first.
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        const query = bytes.subarray(2, 2 + bytes.readUInt16BE(0));
        bytes = bytes.subarray(2 + query.length);
        void answer(query, 'tcp', { address, port }).then((reply) => {
          if (reply === undefined) socket.destroy();
          else socket.write(Buffer.concat([lengthOf(reply), reply]));
        });
      }
    });
  });
  for (const server of [anyTcp, dnsTcp]) server.maxConnections = MAX_CONNECTIONS;
  const anyUdp = datagrams(ipv6, (_, { address, port }) => {
    const source = plain(address);
    const owner = ownerOf('udp', source, port);
    keep({ protocol: 'udp', at: now(), source, sourcePort: port, ...owner });
  });
  const dnsUdp = datagrams(ipv6, (query, { address, port }, socket) => {
    void answer(query, 'udp', { address: plain(address), port }).then((reply) => {
      if (reply !== undefined) socket.send(reply, port, address, () => undefined);
    });
  });
  await Promise.all([
    listen(anyTcp, sinkPorts.any, ipv6),
    listen(dnsTcp, sinkPorts.dns, ipv6),
    ...anyUdp.map((each) => bind(each, sinkPorts.any)),
    ...dnsUdp.map((each) => bind(each, sinkPorts.dns)),
  ]);
  return {
    seen: () => ({ all, more }),
    nameOf: (address) => names.nameOf(address),
    async close() {
      for (const each of connections) each.destroy();
      for (const each of [...anyUdp, ...dnsUdp]) each.close();
      peers.close();
      await Promise.all([anyTcp, dnsTcp].map((each) => closed(each)));
    },
  };
}

/** Gives each name an address of IPv4 and one of IPv6 of its own, so that a connection tells the name. */
class NamedAddresses {
  readonly #numbers = new Map<string, number>();
  readonly #names = new Map<string, string>();

  of(name: string): { readonly a: Uint8Array; readonly aaaa: Uint8Array } {
    const known = this.#numbers.get(name);
    // All that are too many share one, which has no name.
    const number = known ?? Math.min(this.#numbers.size + 1, MAX_NAMES);
    const [high, low] = [Math.floor(number / 256), number % 256];
    // 198.18.0.0/15 (RFC 2544), and an own prefix (RFC 4193).
    const a = Uint8Array.from([198, 18, high, low]);
    const aaaa = Buffer.from(`fd73746f7761676500010000000000${'00'}`, 'hex');
    aaaa.writeUInt16BE(number, 14);
    if (known === undefined && number < MAX_NAMES) {
      this.#numbers.set(name, number);
      this.#names.set(a.join('.'), name);
      this.#names.set(`fd73:746f:7761:6765:1::${number.toString(16)}`, name);
    }
    return { a, aaaa };
  }

  nameOf(address: string): string | undefined {
    return this.#names.get(address);
  }
}

function plain(address: string): string {
  return address.replace(/^::ffff:/, '').replace(/%.*$/, '');
}

function lengthOf(reply: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(reply.length);
  return length;
}

/** Two sockets, because the answers of one for both families would come from another address. */
function datagrams(
  ipv6: boolean,
  onMessage: (message: Buffer, from: RemoteInfo, socket: Datagrams) => void,
): Datagrams[] {
  const types = ipv6 ? (['udp4', 'udp6'] as const) : (['udp4'] as const);
  return types.map((type) => {
    const socket = createSocket(type === 'udp6' ? { type, ipv6Only: true } : { type });
    socket.on('error', () => undefined);
    return socket.on('message', (message, from) => onMessage(message, from, socket));
  });
}

async function bind(socket: Datagrams, port: number): Promise<void> {
  socket.bind(port);
  await once(socket, 'listening');
}

async function listen(server: Server, port: number, ipv6: boolean): Promise<void> {
  server.listen(port, ipv6 ? '::' : '0.0.0.0');
  await once(server, 'listening');
}

async function closed(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
