import { digestHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import type {
  RenderedMount,
  RenderedPort,
  RenderedSecret,
  RenderedService,
} from '../format/generation.ts';
import { offlineEnvironment } from './offline-environment.ts';
import { specificationOf } from './specification.ts';

/** How long a server may take to end its answers before it is killed, in seconds. */
export const STOP_SECONDS = 30;

/** The labels that say what a container was made for. */
export const labels = {
  release: 'stowage.release',
  service: 'stowage.service',
  specification: 'stowage.specification',
} as const;

export interface PodmanRunOptions {
  /** Who restarts the container: a unit of systemd, which is told by conmon, or podman itself. */
  readonly supervisor: 'systemd' | 'podman';
  /** Whether mounts carry the label that all containers share, for hosts with SELinux. */
  readonly selinux: boolean;
}

/** A log that a crash loop cannot fill the disk with. */
const LOG_ARGUMENTS = ['--log-driver', 'k8s-file', '--log-opt', 'max-size=16mb'];
/** Servers compile kernels into such folders and load them, hence `exec`; `U` because runc 1.1 ignores `mode`
 * where the image has the folder. */
const MEMORY_OPTIONS = 'rw,exec,nosuid,nodev,mode=1777,U';

/**
 * The arguments of `podman` that start a service, `run` first, always in the same order. Hardened by default: what
 * a service does not ask for it does not get.
 * @throws StowageError `path-unsafe` for a mount that podman's syntax cannot carry
 */
export function podmanRunArguments(service: RenderedService, options: PodmanRunOptions): string[] {
  return [
    ...['run', '--detach', '--replace', '--name', service.unit],
    ...['--pull', 'never', '--http-proxy=false', '--no-healthcheck'],
    ...supervision(options.supervisor),
    ...['--stop-timeout', String(STOP_SECONDS), ...LOG_ARGUMENTS],
    ...identity(service),
    ...confinement(service),
    ...resources(service),
    ...network(service),
    ...service.mounts.flatMap((each) => mount(each, options.selinux)),
    ...service.secrets.flatMap(secret),
    ...environment(service),
    // JSON, because podman takes a text that begins with [ for JSON itself.
    ...(service.entrypoint === undefined
      ? []
      : ['--entrypoint', JSON.stringify([service.entrypoint])]),
    digestHex(service.image.config),
    ...service.args,
  ];
}

function supervision(supervisor: PodmanRunOptions['supervisor']): string[] {
  return supervisor === 'systemd'
    ? ['--sdnotify', 'conmon', '--cgroups', 'no-conmon']
    : ['--sdnotify', 'ignore', '--restart', 'always'];
}

function identity(service: RenderedService): string[] {
  const values = [
    `${labels.release}=${service.release}`,
    `${labels.service}=${service.name}`,
    `${labels.specification}=${specificationOf(service)}`,
  ];
  return values.flatMap((value) => ['--label', value]);
}

function confinement(service: RenderedService): string[] {
  const args = ['--cap-drop', 'all'];
  for (const capability of [...service.capabilities].sort()) args.push('--cap-add', capability);
  args.push('--security-opt', 'no-new-privileges');
  if (service.gpus !== undefined) args.push('--security-opt', 'label=disable');
  if (service.user !== undefined) args.push('--user', service.user);
  // A volume of the image would outlive its container, on disk; as memory it does not.
  args.push('--image-volume', 'tmpfs');
  if (!service.readOnlyRoot) return args;
  args.push('--read-only');
  if (!service.mounts.some((each) => each.path === '/tmp'))
    args.push('--tmpfs', `/tmp:${MEMORY_OPTIONS}`);
  return args;
}

function resources(service: RenderedService): string[] {
  const args: string[] = ['--pids-limit', String(service.pids)];
  if (service.memory !== undefined) args.push('--memory', `${service.memory}b`);
  if (service.sharedMemory !== undefined) args.push('--shm-size', `${service.sharedMemory}b`);
  if (service.cpus !== undefined) args.push('--cpus', String(service.cpus));
  if (service.gpus === 'all') args.push('--device', 'nvidia.com/gpu=all');
  else
    for (let index = 0; index < (service.gpus ?? 0); index++)
      args.push('--device', `nvidia.com/gpu=${index}`);
  return args;
}

function network(service: RenderedService): string[] {
  if (service.network !== 'bridge') return ['--network', service.network];
  const names = service.networks.length > 0 ? service.networks : ['bridge'];
  const args = names.flatMap((name) => ['--network', name]);
  if (service.networks.length > 0) args.push('--network-alias', service.name);
  return [...args, ...service.ports.flatMap((port) => ['--publish', published(port)])];
}

function published(port: RenderedPort): string {
  const address = port.address.includes(':') ? `[${port.address}]` : port.address;
  return `${address}:${port.host}:${port.container}`;
}

function mount(each: RenderedMount, selinux: boolean): string[] {
  if ('memory' in each)
    return ['--tmpfs', `${plain(each.path)}:${MEMORY_OPTIONS},size=${each.memory}`];
  return ['--volume', `${plain(each.source)}:${plain(each.path)}:ro${selinux ? ',z' : ''}`];
}

/** As a file that every user of the container can read: it has but one. */
function secret({ name, path }: RenderedSecret): string[] {
  return ['--secret', `${name},type=mount,target=${path},mode=0444`];
}

function plain(path: string): string {
  if (!/[:\n]/.test(path)) return path;
  throw new StowageError('path-unsafe', `podman cannot mount ${JSON.stringify(path)}`, {
    expected: 'a path without a colon or a line break',
    found: 'one of them',
    hint: 'choose a site root, or a path in the manifest, without it',
  });
}

function environment(service: RenderedService): string[] {
  const values = { ...offlineEnvironment, ...service.env };
  return Object.keys(values)
    .sort()
    .flatMap((name) => ['--env', `${name}=${values[name]}`]);
}
