import { readFile, writeFile } from 'node:fs/promises';
import { StowageError } from '../../core/error.ts';
import { fieldsOf, listOf, parseJson } from '../../core/json.ts';
import { type CommandRunner, commandFailure, type Environment } from '../host/command.ts';

/** The ports of the sink in the sealed network namespace, above those that the kernel gives to clients. */
export const sinkPorts = { any: 61_001, dns: 61_053, resolver: 61_054 } as const;

/** A connection that something tried, as the kernel noted it. */
export interface Tried {
  readonly protocol: 'tcp' | 'udp' | 'other';
  readonly source: string;
  /** 0 where the protocol has no ports. */
  readonly sourcePort: number;
  readonly address: string;
  readonly port: number;
  /** The number of a protocol without ports, such as 1 for ICMP. */
  readonly number?: number;
}

export interface SealedNetwork {
  /** Every connection that was tried until now. */
  tried(signal: AbortSignal): Promise<readonly Tried[]>;
  /** Whether addresses of IPv6 could be given to it. */
  readonly ipv6: boolean;
}

const TABLE = 'stowage_rehearsal';
/** How many connections of each kind the kernel notes; further ones reach the sink, but their destination stays unknown. */
export const MAX_TRIED = 65_535;
const COMMAND_MS = 20_000;
const OUTSIDE = 'stowage-outside';
/** Of the interface that the default routes name: TEST-NET-1 (RFC 5737), and an address that no other network has. */
export const OWN_IPV4 = '192.0.2.1';
const OWN_IPV6 = 'fd73:746f:7761:6765::1';

/**
 * Whether this network namespace has nothing but loopback, so that no byte can leave it.
 * @param table the text of `/proc/net/dev`
 */
export function isSealed(table: string): boolean {
  const names = table
    .split('\n')
    .slice(2)
    .map((line) => line.split(':')[0]?.trim() ?? '')
    .filter((name) => name !== '');
  return names.length === 1 && names[0] === 'lo';
}

/**
 * Gives a network namespace without interfaces a way that leads nowhere but to the sink: whatever a process or a container in it
 * connects to, the kernel notes where, and redirects it.
 * @throws StowageError `host-unfit` for a namespace that has other interfaces, or without `ip` and `nft`; `engine-failed`
 */
export async function sealNetwork(
  run: CommandRunner,
  env: Environment,
  signal: AbortSignal,
): Promise<SealedNetwork> {
  const table = await readFile('/proc/net/dev', 'utf8');
  if (!isSealed(table))
    throw new StowageError('host-unfit', 'the network of the rehearsal is not sealed', {
      expected: 'a network namespace with loopback only',
      found: 'a namespace with other interfaces',
      hint: 'run "stowage rehearse" itself, which makes the namespace',
    });
  const options = { env, signal, timeoutMs: COMMAND_MS };
  const call = async (
    program: string,
    args: readonly string[],
    stdin?: string,
  ): Promise<string> => {
    const input = stdin === undefined ? {} : { stdin };
    const result = await run(program, args, { ...options, ...input });
    if (result.status !== 0) throw commandFailure(program, args, result);
    return result.stdout;
  };
  await call('ip', ['link', 'set', 'lo', 'up']);
  // A bridge without ports: every kernel that runs containers has it, and what is sent to it is dropped.
  await call('ip', ['link', 'add', OUTSIDE, 'type', 'bridge']);
  await call('ip', ['link', 'set', OUTSIDE, 'arp', 'off']);
  await call('ip', ['address', 'add', `${OWN_IPV4}/32`, 'dev', OUTSIDE]);
  await call('ip', ['link', 'set', OUTSIDE, 'up']);
  await call('ip', ['route', 'add', 'default', 'dev', OUTSIDE, 'src', OWN_IPV4]);
  const ipv6 = await sixth(call);
  // Services that share a bridge reach each other past the rules below.
  for (const name of ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables'])
    await writeFile(`/proc/sys/net/bridge/${name}`, '0').catch(() => undefined);
  await call('nft', ['-f', '-'], rules());
  return {
    ipv6,
    tried: async (stop) => {
      const args = ['-j', 'list', 'table', 'inet', TABLE];
      const result = await run('nft', args, { ...options, signal: stop });
      if (result.status !== 0) throw commandFailure('nft', args, result);
      return readSets(result.stdout);
    },
  };
}

async function sixth(
  call: (program: string, args: readonly string[]) => Promise<string>,
): Promise<boolean> {
  try {
    await call('ip', ['-6', 'address', 'add', `${OWN_IPV6}/128`, 'dev', OUTSIDE, 'nodad']);
    await call('ip', ['-6', 'route', 'add', 'default', 'dev', OUTSIDE, 'src', OWN_IPV6]);
    return true;
  } catch (error) {
    if (error instanceof StowageError && error.code === 'engine-failed') return false;
    throw error;
  }
}

/**
 * Chains of type nat see the first packet of each connection only. Their priority puts them before those of engines. A connection
 * whose set is full is redirected all the same.
 */
function rules(): string {
  const sets = ['ipv4', 'ipv6'].flatMap((family) => [
    ...['tcp', 'udp'].map(
      (protocol) =>
        `set ${protocol}_${family} { type ${family}_addr . inet_service . ${family}_addr . inet_service; size ${MAX_TRIED}; flags dynamic; }`,
    ),
    `set other_${family} { type ${family}_addr . ${family}_addr . inet_proto; size ${MAX_TRIED}; flags dynamic; }`,
  ]);
  const noted = (to: (family: string) => Record<'any' | 'dns', string>): string =>
    [
      ['ipv4', 'ip'],
      ['ipv6', 'ip6'],
    ]
      .flatMap(([family = '', ip = '']) =>
        ['tcp', 'udp'].flatMap((protocol) => [
          `meta nfproto ${family} meta l4proto ${protocol} add @${protocol}_${family} { ${ip} saddr . ${protocol} sport . ${ip} daddr . ${protocol} dport }`,
          `meta nfproto ${family} ${protocol} dport 53 ${to(ip).dns}`,
          `meta nfproto ${family} meta l4proto ${protocol} ${to(ip).any}`,
        ]),
      )
      .join('\n    ');
  const redirect = { any: `redirect to :${sinkPorts.any}`, dns: `redirect to :${sinkPorts.dns}` };
  // The answer to a datagram must come from the address that it was sent to: from this host, that of its own interface.
  const own = (ip: string): Record<'any' | 'dns', string> => {
    const [family, address] = ip === 'ip' ? ['ip', OWN_IPV4] : ['ip6', `[${OWN_IPV6}]`];
    return {
      any: `dnat ${family} to ${address}:${sinkPorts.any}`,
      dns: `dnat ${family} to ${address}:${sinkPorts.dns}`,
    };
  };
  return `table inet ${TABLE} {
  ${sets.join('\n  ')}
  chain from_containers {
    type nat hook prerouting priority -110; policy accept;
    iifname { "lo", "${OUTSIDE}" } accept
    ${noted(() => redirect)}
  }
  chain from_host {
    type nat hook output priority -110; policy accept;
    udp sport ${sinkPorts.resolver} accept
    ip saddr 127.0.0.0/8 meta l4proto { tcp, udp } th dport 53 redirect to :${sinkPorts.dns}
    fib daddr type local accept
    ${noted(own)}
  }
  chain through {
    type filter hook forward priority -110; policy drop;
    ct state established,related accept
    meta nfproto ipv4 add @other_ipv4 { ip saddr . ip daddr . meta l4proto }
    meta nfproto ipv6 ip6 daddr != ff00::/8 add @other_ipv6 { ip6 saddr . ip6 daddr . meta l4proto }
  }
}
`;
}

/** The elements of all sets, in the JSON of `nft` (libnftables-json(5)). */
export function readSets(text: string): Tried[] {
  const tried: Tried[] = [];
  for (const { set } of listOf(fieldsOf(parseJson(Buffer.from(text)))['nftables'])) {
    const { name, elem } = fieldsOf(set);
    const [protocol] = String(name).split('_');
    if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'other') continue;
    for (const each of Array.isArray(elem) ? elem : []) {
      const { concat } = fieldsOf(fieldsOf(fieldsOf(each)['elem'])['val'] ?? each);
      if (!Array.isArray(concat)) continue;
      const [source, second, third, fourth] = concat as readonly unknown[];
      tried.push(
        protocol === 'other'
          ? {
              ...{ protocol, source: String(source), sourcePort: 0 },
              ...{ address: String(second), port: 0, number: numberOf(third) },
            }
          : {
              ...{ protocol, source: String(source), sourcePort: numberOf(second) },
              ...{ address: String(third), port: numberOf(fourth) },
            },
      );
    }
  }
  return tried;
}

/** The numbers of protocols that `nft` prints by name (/etc/protocols). */
const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  gre: 47,
  esp: 50,
  'ipv6-icmp': 58,
  sctp: 132,
};

function numberOf(value: unknown): number {
  const number = typeof value === 'string' ? (PROTOCOLS[value] ?? Number(value)) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : 0;
}
