import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { parseJson } from '../../core/json.ts';
import type { IgnoredLimits, ResourceLimit } from '../container/engine.ts';
import { type EngineClient, engineInfo, isAtLeast } from '../container/engine-client.ts';
import type { CommandResult, CommandRunner, Environment } from '../host/command.ts';

/** What podman reports about itself and its host. */
export interface PodmanFacts {
  readonly version: string;
  readonly cgroups?: 1 | 2;
  readonly ignoredLimits?: IgnoredLimits;
  /** Whether containers resolve each other's names, even on internal networks. */
  readonly names: boolean;
  /** Whether it has the program that connects rootless networks with the host; undefined as root. */
  readonly connects?: boolean;
  /** Its storage driver, such as `overlay`. */
  readonly driver?: string;
  /** Its folders of images and of downloads in progress. */
  readonly images?: string;
  readonly fetching?: string;
}

/** The oldest tested version; Debian 12 and RHEL 9.2 have it or a later one. */
const OLDEST = [4, 3] as const;
/** The first version with Quadlet. */
const QUADLET = [4, 4] as const;
/** Where podman looks for netavark and aardvark-dns (containers.conf(5), `helper_binaries_dir`). */
const HELPER_FOLDERS = [
  '/usr/local/libexec/podman',
  '/usr/local/lib/podman',
  '/usr/libexec/podman',
  '/usr/lib/podman',
];

interface Helper {
  readonly executable?: string;
}

interface Info {
  readonly version?: { readonly Version?: string };
  readonly host?: {
    readonly cgroupVersion?: string;
    /** Those that its user can set; without any, an empty list or null. */
    readonly cgroupControllers?: readonly string[] | null;
    readonly networkBackend?: string;
    readonly security?: { readonly rootless?: boolean };
    readonly slirp4netns?: Helper;
    readonly pasta?: Helper;
    readonly networkBackendInfo?: { readonly dns?: { readonly path?: string } };
  };
  readonly store?: {
    readonly graphDriverName?: string;
    readonly graphRoot?: string;
    readonly imageCopyTmpDir?: string;
  };
}

/** @throws StowageError `host-unfit` when podman is absent or too old, `engine-failed` when it does not work */
export async function podmanFacts(podman: EngineClient, signal: AbortSignal): Promise<PodmanFacts> {
  const { version, host, store } = await engineInfo<Info>(podman, signal, unfit);
  const found = version?.Version ?? '';
  if (!isAtLeast(found, OLDEST)) throw unfit(found);
  const cgroups = { v1: 1, v2: 2 }[host?.cgroupVersion ?? ''] as 1 | 2 | undefined;
  return {
    version: found,
    ...(cgroups === undefined ? {} : { cgroups }),
    ...ignoring(cgroups, host),
    names: host?.networkBackend === 'netavark' && hasNames(host),
    ...connecting(host),
    ...(store?.graphDriverName === undefined ? {} : { driver: store.graphDriverName }),
    ...folder('images', store?.graphRoot),
    ...folder('fetching', store?.imageCopyTmpDir),
  };
}

/** Whether this host has podman's Quadlet generator, which needs cgroups v2. */
export function readsQuadlet({ version, cgroups }: PodmanFacts, rootless: boolean): boolean {
  const generator = rootless
    ? 'user-generators/podman-user-generator'
    : 'system-generators/podman-system-generator';
  return (
    isAtLeast(version, QUADLET) && cgroups === 2 && existsSync(join('/usr/lib/systemd', generator))
  );
}

/** The controller that enforces each limit, in both versions of control groups. */
const CONTROLLERS: Readonly<Record<ResourceLimit, string>> = {
  memory: 'memory',
  pids: 'pids',
  cpus: 'cpu',
};
const LIMITS = Object.keys(CONTROLLERS) as readonly ResourceLimit[];

/**
 * The limits that podman does not enforce: without root, all on cgroups v1; on v2 those whose controllers are not delegated to
 * the user. There, it depends on the OCI runtime whether the container starts.
 */
function ignoring(
  cgroups: 1 | 2 | undefined,
  { security, cgroupControllers }: NonNullable<Info['host']> = {},
): Pick<PodmanFacts, 'ignoredLimits'> {
  const rootless = security?.rootless === true;
  if (rootless && cgroups === 1) {
    const reason = 'rootless podman ignores resource limits on cgroups v1';
    return { ignoredLimits: { limits: LIMITS, reason } };
  }
  if (cgroups === undefined || cgroupControllers === undefined) return {};
  const limits = LIMITS.filter((each) => cgroupControllers?.includes(CONTROLLERS[each]) !== true);
  if (limits.length === 0) return {};
  const missing = limits.map((each) => CONTROLLERS[each]).join(', ');
  const controllers = `cgroup ${limits.length === 1 ? 'controller' : 'controllers'} ${missing}`;
  const reason = rootless
    ? `${controllers} not delegated to this user`
    : `${controllers} not available on this host`;
  return { ignoredLimits: { limits, reason } };
}

function hasNames(host: NonNullable<Info['host']>): boolean {
  const { path } = host.networkBackendInfo?.dns ?? {};
  if (path !== undefined && path !== '') return true;
  return HELPER_FOLDERS.some((folder) => existsSync(join(folder, 'aardvark-dns')));
}

/** Podman 4 uses slirp4netns unless it is told otherwise, and podman 5 pasta: one of them must be there. */
function connecting({
  security,
  slirp4netns,
  pasta,
}: NonNullable<Info['host']> = {}): Pick<PodmanFacts, 'connects'> {
  const known = [slirp4netns, pasta].filter((each) => each !== undefined);
  if (security?.rootless !== true || known.length === 0) return {};
  return { connects: known.some(({ executable = '' }) => executable !== '') };
}

function folder<K extends string>(name: K, path: string | undefined): { [key in K]?: string } {
  return path !== undefined && isAbsolute(path) ? ({ [name]: path } as { [key in K]: string }) : {};
}

function unfit(found: string, cause?: unknown): StowageError {
  return new StowageError('host-unfit', 'this host has no suitable podman', {
    expected: `podman ${OLDEST.join('.')} or later`,
    found,
    hint: 'install it from the packages of this host: "apt-get install podman runc netavark aardvark-dns" on Debian and Ubuntu, "dnf install podman" on RHEL and Fedora',
    cause,
  });
}

const IP_MS = 10_000;

export interface BridgeOptions {
  readonly run: CommandRunner;
  readonly env: Environment;
  readonly signal: AbortSignal;
}

/**
 * Removes the bridge of a network that podman has removed, with the interfaces of containers on it. Podman removes the
 * bridge with the last container of its network, but not if it was killed while it started one. Does nothing on a host
 * without `ip`.
 */
export async function removeBridge(
  bridge: string,
  { run, env, signal }: BridgeOptions,
): Promise<void> {
  const ip = async (...args: readonly string[]): Promise<CommandResult | undefined> => {
    try {
      return await run('ip', args, { env, signal, timeoutMs: IP_MS });
    } catch (error) {
      if (error instanceof StowageError && error.code === 'host-unfit') return undefined;
      throw error;
    }
  };
  const found = await ip('-json', 'link', 'show', 'type', 'bridge', 'dev', bridge);
  if (found?.status !== 0 || namesIn(found.stdout).length === 0) return;
  const members = await ip('-json', 'link', 'show', 'type', 'veth', 'master', bridge);
  for (const name of members?.status === 0 ? namesIn(members.stdout) : [])
    await ip('link', 'delete', 'dev', name);
  await ip('link', 'delete', 'dev', bridge);
}

/** The names in what `ip -json link show` printed. */
function namesIn(printed: string): string[] {
  const links = parseJson(Buffer.from(printed.trim() === '' ? '[]' : printed));
  if (!Array.isArray(links)) return [];
  return links.flatMap((link) => {
    const name = (link as { ifname?: unknown } | null)?.ifname;
    return typeof name === 'string' ? [name] : [];
  });
}
