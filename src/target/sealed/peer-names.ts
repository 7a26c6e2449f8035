import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { DnsQuestion } from './dns-message.ts';
import { sinkPorts } from './sealed-network.ts';

/** The names of the services, which only the engine knows. */
export interface PeerNames {
  has(name: string): boolean;
  /** @returns undefined if nobody answers */
  answer(
    query: Buffer,
    question: DnsQuestion & { readonly end: number },
    source: string,
  ): Promise<Buffer | undefined>;
  close(): void;
}

const PEER_MS = 5_000;

/** Asks the resolver of podman, which listens on the bridge of the container that asks. */
export async function podmanPeers(services: readonly string[]): Promise<PeerNames> {
  const resolver = createSocket('udp4');
  const waiting = new Map<number, (answer: Buffer) => void>();
  resolver.on('error', () => undefined);
  resolver.on('message', (answer) => {
    if (answer.length > 2) waiting.get(answer.readUInt16BE(0))?.(answer);
  });
  let queries = 0;
  resolver.bind(sinkPorts.resolver);
  await once(resolver, 'listening');
  return {
    has(name) {
      const [first = '', ...rest] = name.split('.');
      return services.includes(first) && ['', 'dns.podman', 'local'].includes(rest.join('.'));
    },
    async answer(query, _, source) {
      const gateway = gatewayOf(source);
      if (gateway === undefined) return undefined;
      queries = (queries + 1) % 65_536;
      const id = queries;
      const asked = Buffer.from(query);
      asked.writeUInt16BE(id, 0);
      const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
      waiting.set(id, resolve);
      const timer = setTimeout(() => resolve(undefined), PEER_MS);
      resolver.send(asked, 53, gateway, (error) => {
        if (error !== null) resolve(undefined);
      });
      const answer = await promise;
      clearTimeout(timer);
      waiting.delete(id);
      if (answer === undefined) return undefined;
      const own = Buffer.from(answer);
      own.writeUInt16BE(query.readUInt16BE(0), 0);
      return own;
    },
    close: () => resolver.close(),
  };
}

/** The address of this namespace on the network of a container. */
function gatewayOf(source: string): string | undefined {
  if (isIPv6(source)) return undefined;
  for (const list of Object.values(networkInterfaces()))
    for (const { family, address, netmask } of list ?? [])
      if (family === 'IPv4' && masked(address, netmask) === masked(source, netmask)) return address;
  return undefined;
}

function masked(address: string, netmask: string): number {
  const number = (text: string): number => Buffer.from(text.split('.').map(Number)).readUInt32BE(0);
  return (number(address) & number(netmask)) >>> 0;
}
