import { digestHex } from '../../core/digest.ts';
import type { RenderedMount, RenderedSecret, RenderedService } from '../../format/containers.ts';
import {
  gpuDevices,
  labelsOf,
  limitArguments,
  mountable,
  mountsAt,
  numericUser,
  publishedPorts,
  STOP_SECONDS,
  variablesOf,
} from '../container/container-arguments.ts';

export interface PodmanRunOptions {
  /** What restarts the container: a systemd unit, which conmon notifies, or podman itself. */
  readonly supervisor: 'systemd' | 'podman';
  /** Whether mounts get the SELinux label that all containers share. */
  readonly selinux: boolean;
}

/** Limits the log: a crash loop must not fill the disk. */
const LOG_ARGUMENTS = ['--log-driver', 'k8s-file', '--log-opt', 'max-size=16mb'];
/** Servers compile kernels into such folders and load them: hence `exec`; `U` because runc 1.1 ignores `mode`
 * if the image has the folder. */
const MEMORY_OPTIONS = 'rw,exec,nosuid,nodev,mode=1777,U';

/** Podman 4.3 mounts its own read-only folder here in read-only containers, and no file can be mounted in it. */
const OWN_SECRETS = '/run/secrets/';

/**
 * The arguments of `podman` that start a service, `run` first, always in the same order. Hardened: a service gets
 * only what it requests.
 * @throws StowageError `path-unsafe` for a mount that podman's syntax cannot express
 */
export function podmanRunArguments(service: RenderedService, options: PodmanRunOptions): string[] {
  return [
    ...['run', '--detach', '--replace', '--name', service.unit],
    ...['--pull', 'never', '--http-proxy=false', '--no-healthcheck'],
    ...supervision(options.supervisor),
    ...['--stop-timeout', String(STOP_SECONDS), ...LOG_ARGUMENTS],
    ...labelsOf(service).flatMap((label) => ['--label', label]),
    ...confinement(service),
    ...limitArguments(service),
    ...gpuDevices(service).flatMap((device) => ['--device', device]),
    ...network(service),
    ...service.mounts.flatMap((each) => mount(each, options.selinux)),
    ...service.secrets.flatMap((each) => ['--secret', podmanSecret(each, service.user)]),
    ...variablesOf(service).flatMap((variable) => ['--env', variable]),
    ...podmanEntrypoint(service),
    digestHex(service.image.config),
    ...service.args,
  ];
}

/** As JSON, because podman parses a text that begins with `[` as JSON. */
export function podmanEntrypoint({ entrypoint }: RenderedService): string[] {
  return entrypoint === undefined ? [] : ['--entrypoint', JSON.stringify([entrypoint])];
}

/** The values of `--network` for a service. */
export function podmanNetworks(service: RenderedService): readonly string[] {
  if (service.network !== 'bridge') return [service.network];
  return service.networks.length > 0 ? service.networks : ['bridge'];
}

/** Memory for folders that must be writable and for volumes that the image declares. */
export function podmanMemory(service: RenderedService): string[] {
  // A volume of the image would stay on disk after its container; memory does not.
  const args = ['--image-volume', 'tmpfs'];
  if (service.readOnlyRoot && !mountsAt(service, '/tmp'))
    args.push('--tmpfs', `/tmp:${MEMORY_OPTIONS}`);
  if (service.readOnlyRoot && service.secrets.some(({ path }) => path.startsWith(OWN_SECRETS)))
    args.push('--tmpfs', `${OWN_SECRETS.slice(0, -1)}:rw,noexec,nosuid,nodev,mode=0755,size=65536`);
  return args;
}

export function podmanMemoryMount(path: string, size: number): string {
  return `${mountable(path)}:${MEMORY_OPTIONS},size=${size}`;
}

export function podmanVolume(source: string, path: string, selinux: boolean): string {
  return `${mountable(source)}:${mountable(path)}:ro${selinux ? ',z' : ''}`;
}

/** A file that only the service's user can read; if the image names the user, every user in the container. */
export function podmanSecret({ name, path }: RenderedSecret, user: string | undefined): string {
  const owner = numericUser(user);
  const access = owner === undefined ? 'mode=0444' : `uid=${owner.uid},gid=${owner.gid},mode=0400`;
  return `${name},type=mount,target=${mountable(path)},${access}`;
}

function supervision(supervisor: PodmanRunOptions['supervisor']): string[] {
  return supervisor === 'systemd'
    ? ['--sdnotify', 'conmon', '--cgroups', 'no-conmon']
    : ['--sdnotify', 'ignore', '--restart', 'always'];
}

function confinement(service: RenderedService): string[] {
  const args = ['--cap-drop', 'all'];
  for (const capability of [...service.capabilities].sort()) args.push('--cap-add', capability);
  args.push('--security-opt', 'no-new-privileges');
  if (service.gpus !== undefined) args.push('--security-opt', 'label=disable');
  if (service.user !== undefined) args.push('--user', service.user);
  if (service.readOnlyRoot) args.push('--read-only');
  return [...args, ...podmanMemory(service)];
}

function network(service: RenderedService): string[] {
  const args = podmanNetworks(service).flatMap((name) => ['--network', name]);
  if (service.networks.length > 0) args.push('--network-alias', service.name);
  return [...args, ...publishedPorts(service).flatMap((port) => ['--publish', port])];
}

function mount(each: RenderedMount, selinux: boolean): string[] {
  return 'memory' in each
    ? ['--tmpfs', podmanMemoryMount(each.path, each.memory)]
    : ['--volume', podmanVolume(each.source, each.path, selinux)];
}
