import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from './process.ts';

/** What a host holds, kind by kind: lines that are equal where nothing changed, sorted. */
export type HostState = Readonly<Record<string, readonly string[]>>;

export interface HostStateOptions {
  /** Runs a script on the host. */
  must(script: string): Promise<string>;
  /** The folder that took everything that the host wrote to its root. */
  readonly upper: string;
  /** The folder that the host has as `/var/lib/containers`. */
  readonly engine: string;
  /** Folders of the root below which everything is the host's own. */
  readonly hidden: readonly string[];
}

/** Each kind, and the commands that list it. */
const LISTS: Readonly<Record<string, string>> = {
  containers: 'podman ps --all --external --format "{{.Names}} {{.Image}}"',
  images: 'podman images --all --format "{{.ID}} {{.Names}}"',
  volumes: 'podman volume ls --quiet',
  secrets: 'podman secret ls --format "{{.Name}}"',
  networks: 'podman network ls --format "{{.Name}} {{.Driver}}"',
  units: 'systemctl list-units --all --plain --no-legend --full | tr -s " " | cut -d " " -f 1-4',
  'unit files': 'systemctl list-unit-files --no-legend --full | tr -s " "',
  'failed units': 'systemctl list-units --failed --plain --no-legend',
  mounts: 'cut -d " " -f 1-3 /proc/mounts',
  links: 'ip -brief link | cut -d " " -f 1',
  // Link-local addresses come and go while the kernel looks for another that has them.
  addresses: 'ip -brief -4 address | tr -s " "',
  routes: 'ip route show table all | grep -v fe80::',
  'network namespaces': 'ls /run/netns 2>/dev/null || true',
  'packet rules':
    'iptables-save 2>/dev/null | grep -v "^#" | sed "s/\\[[0-9:]*\\]$//"; nft --stateless list ruleset 2>/dev/null || true',
  listening: 'ss --listening --tcp --udp --numeric --no-header | tr -s " " | cut -d " " -f 1,5',
  // Without the programs that sort the list.
  processes: 'running=$(ps -e -o comm=); printf "%s\\n" "$running" | sort -u',
  'in memory': 'find /run /tmp /dev/shm -mindepth 1 -not -path "/run/udev/*" -printf "%p %y\\n"',
};

const MARK = '-- end of list --';

/**
 * Reads all of it once it has settled: systemd takes note of what the kernel mounts in turns, a second apart, so that
 * a container may run before its mounts have units.
 */
export async function readHostState(options: HostStateOptions): Promise<HostState> {
  let last = await readNow(options);
  return until('a host that changes no more', 60, async () => {
    await delay(1500);
    const now = await readNow(options);
    const settled = changesBetween(last, now).length === 0;
    last = now;
    return settled ? now : undefined;
  });
}

/** Reads all of it, without changing any of it but podman's own locks. */
async function readNow(options: HostStateOptions): Promise<HostState> {
  const script = Object.values(LISTS).map((list) => `${list}\necho ${MARK}`);
  const listed = (await options.must(`set -e\n${script.join('\n')}`)).split(`${MARK}\n`);
  const lists = Object.keys(LISTS).map((kind, index) => [kind, linesOf(listed[index])] as const);
  return {
    ...Object.fromEntries(lists),
    files: rootFiles(options),
    'engine files': [...entries(options.engine)]
      .map(({ path, stats }) => `/var/lib/containers/${path}${stats.isDirectory() ? '/' : ''}`)
      .toSorted(),
  };
}

function linesOf(text = ''): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(plainName)
    .toSorted();
}

/** Without what systemd, the kernel and podman draw anew each time they make the same thing. */
function plainName(line: string): string {
  return line
    .replace(/systemd-private-[0-9a-f]{32}-(.*?\.service)-\w+/g, 'systemd-private-$1')
    .replace(/\/journal\/streams\/\S+/g, '/journal/streams/N')
    .replace(
      /netns(-|\\x2d)[0-9a-f]{8}(?:(?:-|\\x2d)[0-9a-f]{4}){3}(?:-|\\x2d)[0-9a-f]{12}/g,
      'netns$1N',
    )
    .replace(/\bveth[0-9]+/g, 'vethN')
    .replace(/\brun-r[0-9a-f]{32}/g, 'run-rN');
}

/** What one state has and the other does not, a line each: `+ KIND: ENTRY` or `- KIND: ENTRY`. */
export function changesBetween(before: HostState, after: HostState): string[] {
  return Object.keys(before).flatMap((kind) => {
    const [was, is] = [new Set(before[kind]), new Set(after[kind])];
    return [
      ...[...was].filter((each) => !is.has(each)).map((each) => `- ${kind}: ${each}`),
      ...[...is].filter((each) => !was.has(each)).map((each) => `+ ${kind}: ${each}`),
    ];
  });
}

/** Every file that the host's root has of its own or without which it is, with its content, mode and owner. */
function rootFiles({ upper, hidden }: HostStateOptions): string[] {
  const own = hidden.map((each) => each.replace(/\/$/, ''));
  const isOwn = (path: string): boolean =>
    own.some((each) => path === each || path.startsWith(`${each}/`));
  const files: string[] = [];
  for (const { path, stats } of entries(upper)) {
    // A folder of the layer below appears here when something in it changes.
    if (stats.isDirectory() && !isOwn(path) && existsSync(join('/', path))) continue;
    if (path.startsWith('var/log/')) continue;
    const owner = `${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid}`;
    files.push(`/${plainName(path)} ${contentOf(join(upper, path), stats)} ${owner}`);
  }
  return files.toSorted();
}

function contentOf(path: string, stats: Stats): string {
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return `to ${readlinkSync(path)}`;
  if (stats.isCharacterDevice()) return stats.rdev === 0 ? 'not there' : 'device';
  if (!stats.isFile()) return 'special';
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Everything below a folder, with its path from there. */
function* entries(root: string, below = ''): Generator<{ path: string; stats: Stats }> {
  for (const name of readdirSync(join(root, below))) {
    const path = join(below, name);
    const stats = lstatSync(join(root, path));
    yield { path, stats };
    if (stats.isDirectory()) yield* entries(root, path);
  }
}
