import { type AirGap, airGap } from './airgap.ts';
import { run } from './process.ts';

/** A host of the network: it reaches the other hosts, and nothing else. */
export interface NetworkHost {
  /** The command that enters it: put it before a command and its arguments. */
  readonly enter: readonly string[];
  readonly address: string;
  /** What its network card has received and sent so far, in bytes, headers included. */
  traffic(): Promise<{ readonly received: number; readonly sent: number }>;
}

/** Hosts on one switch, each a network namespace, without a way out. */
export interface HostNetwork {
  /** One that serves the others. */
  readonly server: NetworkHost;
  readonly hosts: readonly NetworkHost[];
  destroy(): Promise<void>;
}

/** Lays a network of its own for a server and so many hosts, at most 200. Needs root. */
export async function hostNetwork(count: number): Promise<HostNetwork> {
  const gaps: AirGap[] = [];
  const destroy = async (): Promise<void> => {
    await Promise.all(gaps.map((each) => each.destroy()));
  };
  const enterNew = async (): Promise<AirGap> => {
    const gap = await airGap();
    gaps.push(gap);
    return gap;
  };
  try {
    const cable = await enterNew();
    await script(cable, 'ip link add switch type bridge && ip link set switch up');
    const hosts: NetworkHost[] = [];
    for (let number = 1; number <= count + 1; number++)
      hosts.push(await plug(cable, await enterNew(), number));
    const [server, ...others] = hosts;
    if (server === undefined) throw new Error('a network without hosts');
    return { server, hosts: others, destroy };
  } catch (error) {
    await destroy();
    throw error;
  }
}

/** Connects a host to the switch, as 10.88.0.NUMBER. */
async function plug(cable: AirGap, gap: AirGap, number: number): Promise<NetworkHost> {
  const { enter } = gap;
  const space = enter.find((word) => word.startsWith('--net='))?.slice('--net='.length) ?? '';
  const address = `10.88.0.${number}`;
  const port = `port${number}`;
  await script(
    cable,
    `ip link add ${port} type veth peer name eth0 netns ${space} && ip link set ${port} master switch up`,
  );
  await script(gap, `ip addr add ${address}/24 dev eth0 && ip link set eth0 up`);
  return {
    ...{ enter, address },
    async traffic() {
      const counts = (await script(gap, 'grep eth0: /proc/net/dev')).split(/[: ]+/).map(Number);
      // proc_net_dev(5): eight counts of what was received, then those of what was sent.
      const [received = 0, sent = 0] = [counts.at(-16), counts.at(-8)];
      return { received, sent };
    },
  };
}

async function script({ enter }: AirGap, text: string): Promise<string> {
  const [command = '', ...before] = enter;
  return (await run(command, [...before, 'sh', '-c', text])).trim();
}
