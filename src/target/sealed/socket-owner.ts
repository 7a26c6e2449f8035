import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** The process that opened a socket, and the container that it is in. */
export interface SocketOwner {
  /** Program and first argument; absent if it closed the socket already and is not the only one of its container. */
  readonly process?: string;
  /** Its name with podman, its id with docker; absent for a process outside of containers. */
  readonly container?: string;
}

export type SocketProtocol = 'tcp' | 'udp';

const MAX_COMMAND = 120;

/**
 * Finds who opened the socket of a local port, in any network namespace of this process's PID namespace.
 * @param address of the socket, as in a message or a connection; its port
 * @returns undefined if nothing is known of it
 */
export function socketOwner(
  protocol: SocketProtocol,
  address: string,
  port: number,
): SocketOwner | undefined {
  const seen = new Set<string>();
  for (const pid of processes()) {
    const space = link(`/proc/${pid}/ns/net`);
    if (space === undefined || seen.has(space)) continue;
    seen.add(space);
    const inode = inodeOf(pid, protocol, { address, port });
    if (inode === undefined) continue;
    const owner = ownerOf(inode, space);
    if (owner !== undefined) return { process: commandOf(owner), ...containerOf(owner) };
  }
  return containerAt(address);
}

/** The container that has an address, with its process if there is only one. */
function containerAt(address: string): SocketOwner | undefined {
  if (address.startsWith('127.') || address === '::1') return undefined;
  const spaces = Map.groupBy(processes(), (pid) => link(`/proc/${pid}/ns/net`) ?? '');
  for (const [space, pids] of spaces) {
    const [first = ''] = pids;
    if (space === '' || space === link('/proc/self/ns/net') || !hasAddress(first, address))
      continue;
    const { container } = containerOf(first);
    if (container === undefined) continue;
    return { container, ...(pids.length === 1 ? { process: commandOf(first) } : {}) };
  }
  return undefined;
}

/** The processes that this one can see. */
export function processes(): string[] {
  return readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
}

/** The inode of a socket in the tables of a process's network namespace (proc(5)). */
function inodeOf(
  pid: string,
  protocol: SocketProtocol,
  { address, port }: { readonly address: string; readonly port: number },
): string | undefined {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  let wild: string | undefined;
  for (const table of [protocol, `${protocol}6`]) {
    for (const line of read(`/proc/${pid}/net/${table}`).split('\n').slice(1)) {
      const [, local = '', , , , , , , , inode = ''] = line.trim().split(/\s+/);
      if (!local.endsWith(wanted) || inode === '' || inode === '0') continue;
      const place = local.slice(0, -5);
      if (place === hexOf(address) || place === mappedHex(address)) return inode;
      if (/^0+$/.test(place)) wild ??= inode;
    }
  }
  // A UDP socket that is not bound to an address has this port in other namespaces as well: only if it is of this address.
  return wild !== undefined && hasAddress(pid, address) ? wild : undefined;
}

function hasAddress(pid: string, address: string): boolean {
  if (address.includes(':')) return read(`/proc/${pid}/net/if_inet6`).includes(ipv6Hex(address));
  return new RegExp(`\\b${address.replaceAll('.', '\\.')}\\b`).test(
    read(`/proc/${pid}/net/fib_trie`),
  );
}

/** An address as the tables have it: words of 32 bits in the byte order of the host. */
function hexOf(address: string): string {
  const bytes = address.includes(':')
    ? Buffer.from(ipv6Hex(address), 'hex')
    : Buffer.from(address.split('.').map(Number));
  return bytes.swap32().toString('hex').toUpperCase();
}

function mappedHex(address: string): string | undefined {
  if (address.includes(':')) return undefined;
  return `0000000000000000FFFF0000${hexOf(address)}`;
}

/** The 32 hex digits of an IPv6 address. */
export function ipv6Hex(address: string): string {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const words = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [before, after] = [words(head), words(tail ?? '')];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const all = [...before, ...Array.from({ length: zeros }, () => '0'), ...after];
  return all
    .map((word) => word.padStart(4, '0'))
    .join('')
    .slice(0, 32)
    .padEnd(32, '0');
}

function ownerOf(inode: string, space: string): string | undefined {
  const target = `socket:[${inode}]`;
  return processes().find((pid) => {
    if (link(`/proc/${pid}/ns/net`) !== space) return false;
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => link(`/proc/${pid}/fd/${fd}`) === target);
    } catch {
      return false;
    }
  });
}

/** Program and first argument, which may name a script. Further ones may hold settings and are left out. */
export function commandOf(pid: string): string {
  const [program = '', first = ''] = read(`/proc/${pid}/cmdline`).split('\0');
  const text = first === '' || first.startsWith('-') ? program : `${program} ${first}`;
  const shown = text === '' ? read(`/proc/${pid}/comm`).trim() : text;
  return shown.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_COMMAND);
}

/** The program of each engine that starts containers, and its argument before the container: of podman a name, of docker an id. */
const STARTERS: Readonly<Record<string, string>> = {
  conmon: '-n',
  'containerd-shim-runc-v2': '-id',
  'containerd-shim': '-id',
};

/** The container of a process, by the arguments of its first ancestor that starts containers. */
export function containerOf(pid: string): { readonly container?: string } {
  let at = pid;
  for (let depth = 0; depth < 64 && at !== '' && at !== '0'; depth++) {
    const args = read(`/proc/${at}/cmdline`).split('\0');
    const before = STARTERS[basename(args[0] ?? '')];
    if (before !== undefined) {
      const container = args[args.indexOf(before) + 1];
      return container === undefined || !args.includes(before) ? {} : { container };
    }
    at = /^PPid:\s+([0-9]+)$/m.exec(read(`/proc/${at}/status`))?.[1] ?? '';
  }
  return {};
}

/** Whether a process is in a PID namespace of its own, and not one of an engine that prepares a container. */
export function isInContainer(pid: string): boolean {
  const space = link(`/proc/${pid}/ns/pid`);
  return space !== undefined && space !== link('/proc/self/ns/pid');
}

/** Whether a program is part of an engine, not of what runs in a container. */
export function isEngineProgram(command: string): boolean {
  const [program = ''] = command.split(' ');
  return ENGINE_PROGRAMS.test(basename(program));
}

const ENGINE_PROGRAMS =
  /^(?:conmon|runc|crun|exe|podman|libnetwork-setkey|docker-init|containerd-shim(?:-runc-v2)?)$/;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
