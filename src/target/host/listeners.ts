import { endianness } from 'node:os';
import { canonicalAddress } from '../../core/host-address.ts';
import type { HostProbe } from './host-probe.ts';

/** A program that listens on this host. */
export interface Listener {
  /** IPv4 or IPv6; `0.0.0.0` or `::` for every address. */
  readonly address: string;
  readonly port: number;
  /** The inode number of its socket. */
  readonly inode: string;
}

const LISTENS = '0A';
const MAX_PROCESSES = 50_000;
const MAX_DESCRIPTORS = 500_000;

/** Who listens on TCP ports, from `/proc/net/tcp` and `/proc/net/tcp6` (proc_pid_net(5)). */
export async function listeners(host: HostProbe): Promise<Listener[]> {
  const tables = [await host.read('/proc/net/tcp'), await host.read('/proc/net/tcp6')];
  return tables.flatMap((text) => (text ?? '').split('\n').flatMap(listener));
}

/** Whether a process listens on a port, at whatever address. */
export async function listensAt(port: number, pid: number, host: HostProbe): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const names = (await host.list(folder)).slice(0, MAX_DESCRIPTORS);
  const links = new Set(await Promise.all(names.map((name) => host.link(`${folder}/${name}`))));
  const found = await listeners(host);
  return found.some((each) => each.port === port && links.has(`socket:[${each.inode}]`));
}

/** `name (pid 12)` of the process that has a socket; undefined if this user cannot see it. */
export async function ownerOf(inode: string, host: HostProbe): Promise<string | undefined> {
  const wanted = `socket:[${inode}]`;
  const processes = (await host.list('/proc')).filter((name) => /^[1-9][0-9]*$/.test(name));
  let left = MAX_DESCRIPTORS;
  for (const pid of processes.slice(0, MAX_PROCESSES)) {
    for (const descriptor of await host.list(`/proc/${pid}/fd`)) {
      if (--left < 0) return undefined;
      if ((await host.link(`/proc/${pid}/fd/${descriptor}`)) !== wanted) continue;
      const name = ((await host.read(`/proc/${pid}/comm`)) ?? '').trim();
      return `${name === '' ? 'a program' : name} (pid ${pid})`;
    }
  }
  return undefined;
}

/** `  3: 0100007F:1F90 00000000:0000 0A ... inode`: addresses are words in host byte order. */
function listener(line: string): Listener[] {
  const fields = line.trim().split(/\s+/);
  const match = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(fields[1] ?? '');
  const inode = fields[9];
  if (match === null || inode === undefined || fields[3] !== LISTENS) return [];
  const [, address = '', port = ''] = match;
  return [{ address: addressOf(address), port: Number.parseInt(port, 16), inode }];
}

function addressOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => {
    const inOrder = [...Buffer.from(word, 'hex')];
    return endianness() === 'LE' ? inOrder.reverse() : inOrder;
  });
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.every((byte) => byte === 0)) return '::';
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255;
  if (mapped) return bytes.slice(12).join('.');
  return canonicalAddress((Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? []).join(':'));
}
