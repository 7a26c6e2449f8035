import { createHash } from 'node:crypto';
import { StowageError } from '../../core/error.ts';
import { socketAddress } from '../../core/host-address.ts';
import { canonicalBytes, type Json } from '../../core/json.ts';
import { quoted } from '../../core/text.ts';
import type { RenderedPort, RenderedService } from '../../format/containers.ts';
import { ulimitValues } from '../../format/isolation.ts';
import { offlineEnvironment } from '../render-input.ts';

/** How long a server may take to finish responses before it is killed, in seconds. */
export const STOP_SECONDS = 30;

/** The labels of containers and networks. */
export const labels = {
  site: 'stowage.site',
  release: 'stowage.release',
  service: 'stowage.service',
  specification: 'stowage.specification',
} as const;

/** A service's labels, as `name=value`. */
export function labelsOf(service: RenderedService): string[] {
  return [
    ...(service.site === undefined ? [] : [`${labels.site}=${service.site}`]),
    `${labels.release}=${service.release}`,
    `${labels.service}=${service.name}`,
    `${labels.specification}=${specificationOf(service)}`,
  ];
}

/** SHA-256 of the service's canonical JSON, 64 hex digits. Services with equal specifications run alike. */
export function specificationOf(service: RenderedService): string {
  const bytes = canonicalBytes(service as unknown as Json);
  return createHash('sha256').update(bytes).digest('hex');
}

/** A service's variables, as `NAME=value`, sorted. */
export function variablesOf(service: RenderedService): string[] {
  const values = { ...offlineEnvironment, ...service.env };
  return Object.keys(values)
    .sort()
    .map((name) => `${name}=${values[name]}`);
}

/** `address:host:container`, for each port of a service with network `bridge`. */
export function publishedPorts(service: RenderedService): string[] {
  return service.network === 'bridge' ? service.ports.map(published) : [];
}

/** GPUs by their Container Device Interface names, counted from 0. */
export function gpuDevices({ gpus = 0 }: RenderedService): string[] {
  if (gpus === 'all') return ['nvidia.com/gpu=all'];
  return Array.from({ length: gpus }, (_, index) => `nvidia.com/gpu=${index}`);
}

/** The limits of a service as options that podman and docker share. */
export function limitArguments(service: RenderedService): string[] {
  const args = ['--pids-limit', String(service.pids)];
  if (service.memory !== undefined) args.push('--memory', `${service.memory}b`);
  if (service.sharedMemory !== undefined) args.push('--shm-size', `${service.sharedMemory}b`);
  if (service.cpus !== undefined) args.push('--cpus', String(service.cpus));
  for (const [name, value] of ulimitValues(service))
    args.push('--ulimit', `${name}=${value}:${value}`);
  if (service.ipc !== undefined) args.push('--ipc', service.ipc);
  return args;
}

/** Whether a service mounts something at this path. */
export function mountsAt(service: RenderedService, path: string): boolean {
  return service.mounts.some((each) => each.path === path);
}

/** A path that `--volume` and `--tmpfs` accept. @throws StowageError `path-unsafe` */
export function mountable(path: string): string {
  if (!/[:\n]/.test(path)) return path;
  throw new StowageError('path-unsafe', `the engine cannot mount ${quoted(path)}`, {
    expected: 'a path without a colon or line break',
    found: 'one of them',
    hint: 'move the site to a folder without a colon; if the path is of the manifest, ask the release engineer to change it',
  });
}

/** A service's user as numbers; undefined when the image names it. */
export function numericUser(user: string | undefined): { uid: string; gid: string } | undefined {
  const [, uid, gid = '0'] = /^([0-9]+)(?::([0-9]+))?$/.exec(user ?? '') ?? [];
  return uid === undefined ? undefined : { uid, gid };
}

function published(port: RenderedPort): string {
  return `${socketAddress({ address: port.address, port: port.host })}:${port.container}`;
}
