import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountsBelow } from '../engine.ts';
import { capture, run, until } from '../process.ts';
import { type HeldLock, holderOf, holdLock } from './lock.ts';

/** What one cluster has for itself on a machine: numbered, so that several run side by side and leftovers are found. */
export interface Place {
  readonly folder: string;
  /** The host's address on the bridge, which all nodes reach. */
  readonly host: string;
  readonly bridge: string;
  /** The network of all pods of all nodes. */
  readonly pods: string;
  node(index: number): NodePlace;
  /** Ends what still runs in it, removes its networks and control groups, deletes the folder. */
  clear(): Promise<void>;
  release(): Promise<void>;
}

export interface NodePlace {
  readonly name: string;
  readonly folder: string;
  readonly address: string;
  /** The network of its pods. */
  readonly pods: string;
  /** The command that enters its network: put it before a command and its arguments. */
  readonly enter: readonly string[];
  /** The control group of its pods, as the kubelet names it. */
  readonly cgroup: string;
  readonly namespace: string;
  readonly link: string;
}

const PLACES = 8;
const FOLDER = '/var/lib/stowage-lab';
const CGROUPS = '/sys/fs/cgroup';

/** Takes the first place that no other process holds, and clears what a killed one left there. */
export async function takePlace(): Promise<Place> {
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  const holders: string[] = [];
  for (let number = 0; number < PLACES; number++) {
    const file = join(FOLDER, `kubernetes-${number}.lock`);
    const lock = await holdLock(file, 'give up');
    if (lock !== undefined) {
      const place = describe(number, lock);
      try {
        await place.clear();
      } catch (error) {
        await lock.release();
        throw error;
      }
      return place;
    }
    holders.push(holderOf(file));
  }
  throw new Error(`all ${PLACES} clusters of the lab are held, by processes ${holders.join(', ')}`);
}

/** Clears every place that no process holds of what a killed one left there. */
export async function clearPlaces(): Promise<void> {
  for (let number = 0; number < PLACES; number++) {
    const file = join(FOLDER, `kubernetes-${number}.lock`);
    const lock = existsSync(file) ? await holdLock(file, 'give up') : undefined;
    if (lock === undefined) continue;
    await describe(number, lock)
      .clear()
      .finally(() => lock.release());
  }
}

function describe(number: number, lock: HeldLock): Place {
  const id = `stowage-kube${number}`;
  const folder = join(FOLDER, `kubernetes-${number}`);
  const place: Omit<Place, 'clear'> = {
    folder,
    host: `10.77.${number}.1`,
    bridge: id,
    pods: `10.${112 + number}.0.0/16`,
    node: (index) => {
      const namespace = `${id}-n${index}`;
      return {
        name: `n${index}`,
        folder: join(folder, `n${index}`),
        address: `10.77.${number}.${10 + index}`,
        pods: `10.${112 + number}.${index}.0/24`,
        enter: ['nsenter', `--net=/run/netns/${namespace}`],
        cgroup: `/${id}/n${index}`,
        namespace,
        link: `kube${number}-n${index}`,
      };
    },
    release: () => lock.release(),
  };
  return { ...place, clear: () => clear(place, id) };
}

/** Lays one bridge on the host and joins a network namespace for each node to it. None of them has a way out. */
export async function layNetwork(place: Place, nodes: readonly NodePlace[]): Promise<void> {
  const ip = (...args: readonly string[]): Promise<string> => run('ip', args);
  await ip('link', 'add', place.bridge, 'type', 'bridge');
  await ip('address', 'add', `${place.host}/24`, 'dev', place.bridge);
  await ip('link', 'set', place.bridge, 'up');
  for (const { namespace, link, address, pods, enter } of nodes) {
    await ip('netns', 'add', namespace);
    await ip(...['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
    await ip('link', 'set', link, 'master', place.bridge, 'up');
    await ip('-n', namespace, 'link', 'set', 'lo', 'up');
    await ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    await ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    await ip('route', 'add', pods, 'via', address);
    const [command = '', ...before] = enter;
    await run(command, [...before, 'sysctl', '--quiet', '--write', 'net.ipv4.ip_forward=1']);
  }
  for (const { namespace, name } of nodes)
    for (const peer of nodes.filter((each) => each.name !== name))
      await ip('-n', namespace, 'route', 'add', peer.pods, 'via', peer.address);
}

/** Makes the control group that a kubelet starts from: on cgroup v1 in each hierarchy, on v2 in the only one. */
export function makeCgroups(group: string): void {
  for (const hierarchy of hierarchies().filter((each) => !each.endsWith('/unified'))) {
    mkdirSync(join(hierarchy, group), { recursive: true });
    // A new cpuset is empty, and nothing can run in it (cpuset(7)).
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      for (const each of [join(group, '..'), group])
        if (hierarchy.endsWith('/cpuset'))
          writeFileSync(join(hierarchy, each, file), readFileSync(join(hierarchy, file)));
  }
}

/** Of v1, with that of v2 beside them, where runc makes groups too. */
function hierarchies(): string[] {
  if (existsSync(join(CGROUPS, 'cgroup.controllers'))) return [CGROUPS];
  return readdirSync(CGROUPS).map((name) => join(CGROUPS, name));
}

async function clear(place: Omit<Place, 'clear'>, id: string): Promise<void> {
  const idle = async (): Promise<true | undefined> => killAll(place.folder, id) || undefined;
  await until('the end of all processes of the cluster', 30, idle);
  // A pod's mount may lie in a namespace of the network's name, or on top of another.
  for (const mount of mountsBelow(place.folder)) await capture('umount', ['--lazy', mount]);
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  for (const name of namespaces.filter((each) => each.startsWith(`${id}-`)))
    await run('ip', ['netns', 'delete', name]);
  await capture('ip', ['link', 'delete', place.bridge]);
  const folders = ['-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+'];
  for (const group of hierarchies().map((hierarchy) => join(hierarchy, id)))
    await until(`the end of ${group}`, 10, async () => {
      // The kernel takes a moment to empty it (cgroups(7)).
      const empty = !existsSync(group) || (await capture('find', [group, ...folders])).status === 0;
      return empty || undefined;
    });
  await run('rm', ['--recursive', '--force', '--one-file-system', place.folder]);
}

/** Kills what runs in the pods, and every process whose command line names the folder. @returns whether there is none */
function killAll(folder: string, id: string): boolean {
  let none = true;
  for (const pid of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(pid) || Number(pid) === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      const groups = readFileSync(`/proc/${pid}/cgroup`, 'latin1');
      if (!command.includes(`${folder}/`) && !groups.includes(`:/${id}/`)) continue;
      none = false;
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  return none;
}
