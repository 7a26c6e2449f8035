import { StowageError } from '../../core/error.ts';
import { isIpv6 } from '../../core/host-address.ts';
import { oneLine } from '../../core/text.ts';
import type { RenderedEgress } from '../../format/egress.ts';
import {
  type CommandResult,
  type CommandRunner,
  commandFailure,
  type Environment,
} from './command.ts';
import type { Systemd } from './systemd.ts';

export interface EgressRulesOptions {
  readonly run: CommandRunner;
  readonly env: Environment;
  /** Whether rules of this host do not apply to the networks of the engine. */
  readonly rootless: boolean;
  /** Loads the rules again when the host boots; absent where systemd does not run. */
  readonly systemd?: Systemd | undefined;
}

/** A network of containers, and where they may open connections to. */
export interface RestrictedNetwork {
  readonly name: string;
  /** The interface through which its packets reach this host. */
  readonly bridge: string;
  readonly egress: readonly RenderedEgress[];
}

/**
 * Packet rules of this host (nftables) that restrict the connections which containers on a network open, to other hosts and to this
 * one. Answers to clients pass. Every network has a table of its own, with its name; tables of others are never changed, and
 * what they drop stays dropped.
 */
export interface EgressRules {
  /** Why rules have no effect here; undefined if they have. */
  whyNone(signal: AbortSignal): Promise<string | undefined>;
  /** Loads the rules of a network, now and at each boot; does nothing where rules have no effect. */
  apply(network: RestrictedNetwork, signal: AbortSignal): Promise<void>;
  /** Whether the rules of a network are loaded; undefined where rules have no effect. */
  holds(
    name: string,
    egress: readonly RenderedEgress[],
    signal: AbortSignal,
  ): Promise<boolean | undefined>;
  /** Removes the rules of a network; does nothing if there are none. */
  remove(name: string, signal: AbortSignal): Promise<void>;
}

const NFT_MS = 10_000;
/** Before the rules of engines and of firewalls, which are at 0. */
const PRIORITY = -5;
/** Where `nft` is, and not every user's PATH leads. */
const FOLDERS = '/usr/sbin:/sbin';
/** An IPv6 host asks for the link address of a container, which answers (RFC 4861). */
const NEIGHBOURS =
  'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept';

export function createEgressRules(options: EgressRulesOptions): EgressRules {
  const { run, systemd, rootless } = options;
  const env = { ...options.env, PATH: [options.env['PATH'] ?? '/usr/bin:/bin', FOLDERS].join(':') };
  const nft = (args: readonly string[], signal: AbortSignal): Promise<CommandResult> =>
    run('nft', args, { env, signal, timeoutMs: NFT_MS });
  let known: { readonly reason: string | undefined } | undefined;
  const whyNone = async (signal: AbortSignal): Promise<string | undefined> => {
    known ??= {
      reason: rootless ? 'a rootless engine has networks of its own' : await defect(signal),
    };
    return known.reason;
  };
  const defect = async (signal: AbortSignal): Promise<string | undefined> => {
    try {
      const { status, stderr } = await nft(['list', 'tables'], signal);
      return status === 0 ? undefined : `nft fails: ${oneLine(stderr)}`;
    } catch (error) {
      if (!(error instanceof StowageError) || error.code !== 'host-unfit') throw error;
      return 'this host has no nft: install the package nftables';
    }
  };
  const list = (name: string, signal: AbortSignal): Promise<CommandResult> =>
    nft(['--stateless', 'list', 'table', 'inet', name], signal);
  return {
    whyNone,
    async apply(network, signal) {
      if ((await whyNone(signal)) !== undefined) return;
      const commands = rulesOf(network);
      const result = await nft([commands], signal);
      if (result.status !== 0) throw commandFailure('nft', [commands], result);
      await systemd?.install(network.name, { form: 'unit', text: unitOf(network) }, signal);
    },
    async holds(name, egress, signal) {
      if ((await whyNone(signal)) !== undefined) return undefined;
      const { status, stdout } = await list(name, signal);
      const found = stdout.split('\n').filter((line) => /^\s+iifname /.test(line));
      return status === 0 && found.length === rulesIn(chainsOf('', egress)).length;
    },
    async remove(name, signal) {
      if ((await systemd?.source(name)) !== undefined) await systemd?.remove(name, signal);
      if ((await whyNone(signal)) !== undefined || (await list(name, signal)).status !== 0) return;
      const args = ['delete', 'table', 'inet', name];
      const result = await nft(args, signal);
      if (result.status !== 0) throw commandFailure('nft', args, result);
    },
  };
}

/** The commands that replace the rules of a network at once, on one line. */
export function rulesOf({ name, bridge, egress }: RestrictedNetwork): string {
  const chains = chainsOf(bridge, egress);
  return [
    `add table inet ${name}`,
    `delete table inet ${name}`,
    `add table inet ${name}`,
    ...Object.keys(chains).map(
      (chain) =>
        `add chain inet ${name} ${chain} { type filter hook ${chain} priority ${PRIORITY}; policy accept; }`,
    ),
    ...rulesIn(chains).map(([chain, rule]) => `add rule inet ${name} ${chain} ${rule}`),
  ].join('; ');
}

type Chains = Readonly<Record<string, readonly string[]>>;

/** `forward` sees what leaves for other hosts, and `input` what is for this one. */
function chainsOf(bridge: string, egress: readonly RenderedEgress[]): Chains {
  const from = `iifname "${bridge}"`;
  // A port of this host may lead to a container: what the service asked for counts, not where that is.
  const allowed = egress.map(({ to, protocol, ports }) => {
    const family = isIpv6(to) ? 'ip6' : 'ip';
    return `${from} ct original ${family} daddr ${to} meta l4proto ${protocol} ct original proto-dst { ${ports.join(', ')} } accept`;
  });
  const answers = `${from} ct state established,related accept`;
  const others = `${from} reject with icmpx type admin-prohibited`;
  return {
    forward: [`${from} oifname "${bridge}" accept`, answers, ...allowed, others],
    input: [answers, `${from} ${NEIGHBOURS}`, ...allowed, others],
  };
}

function rulesIn(chains: Chains): [string, string][] {
  return Object.entries(chains).flatMap(([chain, rules]) =>
    rules.map((rule): [string, string] => [chain, rule]),
  );
}

/** Loads the rules before containers start, which wait for the network, and again when nftables.service has replaced all rules. */
export function unitOf(network: RestrictedNetwork): string {
  const load = `nft '${rulesOf(network)}'`;
  return `# Made by Stowage. What is changed here is overwritten.
[Unit]
Description=Connections that containers on network ${network.name} may open
DefaultDependencies=no
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Before=network.target docker.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${load}
ExecReload=${load}
ExecStop=-nft 'delete table inet ${network.name}'

[Install]
WantedBy=sysinit.target
`;
}
