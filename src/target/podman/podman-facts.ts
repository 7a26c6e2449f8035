import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { type EngineClient, engineInfo, isAtLeast } from '../container/engine-client.ts';

/** What podman reports about itself and its host. */
export interface PodmanFacts {
  readonly version: string;
  readonly cgroups?: 1 | 2;
  /** Whether containers resolve each other's names, even on internal networks. */
  readonly names: boolean;
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

interface Info {
  readonly version?: { readonly Version?: string };
  readonly host?: {
    readonly cgroupVersion?: string;
    readonly networkBackend?: string;
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
    names: host?.networkBackend === 'netavark' && hasNames(host),
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

function hasNames(host: NonNullable<Info['host']>): boolean {
  const { path } = host.networkBackendInfo?.dns ?? {};
  if (path !== undefined && path !== '') return true;
  return HELPER_FOLDERS.some((folder) => existsSync(join(folder, 'aardvark-dns')));
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
