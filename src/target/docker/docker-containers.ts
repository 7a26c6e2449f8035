import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../core/error.ts';
import type { RenderedMount, RenderedService } from '../../format/containers.ts';
import { exists, ioError, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
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
import { containerFrom, type FoundContainer } from '../container/drift.ts';
import type { EngineClient } from '../container/engine-client.ts';
import { mergeLog } from '../container/log-lines.ts';
import { commandFailure } from '../host/command.ts';

export interface DockerCreateOptions {
  /** The image by the id that this docker gives it. */
  readonly image: string;
  /** The paths of the volumes that the image declares. */
  readonly volumes: readonly string[];
  /** The user that the image names; may be empty. */
  readonly imageUser: string;
  /** The folder that holds the secrets' files, each by its name. */
  readonly secretFolder: string;
  /** Whether mounts get the SELinux label that all containers share. */
  readonly selinux: boolean;
  /** How GPUs are requested: from the Container Device Interface or from NVIDIA's runtime. */
  readonly gpus: 'cdi' | 'runtime';
}

/**
 * Docker asks the servers of its host, also on behalf of containers whose packets may not leave it. At this address, which is for
 * documentation alone (RFC 5737), nobody answers.
 */
const NO_NAMES = ['--dns', '192.0.2.1'];
/** Limits the log: a crash loop must not fill the disk. */
const LOG_ARGUMENTS = ['--log-driver', 'json-file', '--log-opt', 'max-size=16m'];
/** Podman also mounts memory here if the root is read-only. */
const WRITABLE = ['/run', '/tmp', '/var/tmp'];
/** Docker's client passes these from its configuration to every container; a service uses only its own proxy. */
const PROXIES = ['http_proxy', 'https_proxy', 'no_proxy', 'ftp_proxy', 'all_proxy'];

/**
 * The arguments of `docker` that make a service's container, `create` first, always in the same order. The
 * container is equivalent to that of podman. Its first network is the one that publishes its ports; the others are joined
 * before it starts.
 * @throws StowageError `path-unsafe` for a mount that docker's syntax cannot express
 */
export function dockerCreateArguments(
  service: RenderedService,
  options: DockerCreateOptions,
): string[] {
  return [
    ...['create', '--name', service.unit, '--pull', 'never', '--no-healthcheck'],
    ...['--restart', 'always', '--stop-timeout', String(STOP_SECONDS), ...LOG_ARGUMENTS],
    ...labelsOf(service).flatMap((label) => ['--label', label]),
    ...confinement(service, options),
    ...limitArguments(service),
    ...gpuArguments(service, options.gpus),
    ...network(service),
    ...service.mounts.flatMap((each) => mount(each, service, options)),
    ...service.secrets.flatMap(({ name, path }) =>
      volume(`${options.secretFolder}/${name}`, path, options.selinux),
    ),
    ...dockerVariables(service).flatMap((variable) => ['--env', variable]),
    ...(service.entrypoint === undefined ? [] : ['--entrypoint', service.entrypoint]),
    options.image,
    ...service.args,
  ];
}

function confinement(service: RenderedService, options: DockerCreateOptions): string[] {
  const args = ['--cap-drop', 'ALL'];
  for (const capability of [...service.capabilities].sort()) args.push('--cap-add', capability);
  args.push('--security-opt', 'no-new-privileges');
  if (service.gpus !== undefined) args.push('--security-opt', 'label=disable');
  if (service.user !== undefined) args.push('--user', service.user);
  if (service.readOnlyRoot) args.push('--read-only');
  // A volume of the image would stay on disk after its container; memory does not.
  const memory = new Set([...(service.readOnlyRoot ? WRITABLE : []), ...options.volumes]);
  for (const path of [...memory].sort())
    if (!mountsAt(service, path))
      args.push('--tmpfs', `${path}:${memoryOptions(service, options)}`);
  return args;
}

/**
 * Servers compile kernels into such folders and load them: hence `exec`. Docker gives a tmpfs the mode of the
 * folder in the image, so it must belong to the user who writes there.
 */
function memoryOptions(service: RenderedService, options: DockerCreateOptions): string {
  const owner = numericUser(service.user ?? options.imageUser);
  const uid = owner === undefined ? '' : `,uid=${owner.uid},gid=${owner.gid}`;
  return `rw,exec,nosuid,nodev,mode=1777${uid}`;
}

function gpuArguments(service: RenderedService, by: DockerCreateOptions['gpus']): string[] {
  const { gpus } = service;
  if (gpus === undefined) return [];
  if (by === 'cdi') return gpuDevices(service).flatMap((device) => ['--device', device]);
  if (gpus === 'all') return ['--gpus', 'all'];
  const numbers = Array.from({ length: gpus }, (_, index) => index);
  // The value is CSV, in which the list of numbers is one field.
  return ['--gpus', `"device=${numbers.join(',')}"`];
}

function network(service: RenderedService): string[] {
  if (service.network !== 'bridge') return ['--network', service.network];
  const [first] = service.networks;
  const alias = first === undefined ? [] : ['--network-alias', service.name];
  const ports = publishedPorts(service).flatMap((port) => ['--publish', port]);
  const names = service.egress === undefined ? [] : NO_NAMES;
  return ['--network', first ?? 'bridge', ...alias, ...names, ...ports];
}

function mount(
  each: RenderedMount,
  service: RenderedService,
  options: DockerCreateOptions,
): string[] {
  if (!('memory' in each)) return volume(each.source, each.path, options.selinux);
  const how = `${memoryOptions(service, options)},size=${each.memory}`;
  return ['--tmpfs', `${mountable(each.path)}:${how}`];
}

/**
 * For a missing source, `--volume` creates a folder, even at a restart. `--mount` does not, but cannot set a label: it is
 * used where no label is needed.
 */
function volume(source: string, path: string, selinux: boolean): string[] {
  const [from, to] = [source, path].map(mountable);
  if (selinux) return ['--volume', `${from}:${to}:ro,z`];
  return ['--mount', `type=bind,"source=${source.replaceAll('"', '""')}",target=${path},readonly`];
}

/** A service's variables, as `NAME=value`: docker's client would add proxies to those that are not set. */
export function dockerVariables(service: RenderedService): string[] {
  const names = PROXIES.flatMap((name) => [name, name.toUpperCase()]);
  const none = names.filter((name) => !Object.hasOwn(service.env, name));
  return [...none.map((name) => `${name}=`), ...variablesOf(service)];
}

const REMOVE_MS: number = (STOP_SECONDS + 90) * 1000;

/** The container of this name, or undefined. */
export async function findContainer(
  docker: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<FoundContainer | undefined> {
  if (!(await containerExists(docker, name, signal))) return undefined;
  return containerFrom(await docker.runChecked(['container', 'inspect', name], signal));
}

/** Stops the container of this name and removes it with its volumes; does nothing if there is none. */
export async function removeContainer(
  docker: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  if (!(await containerExists(docker, name, signal))) return;
  // Removal alone kills at once. The container is removed even if the stop fails.
  await docker.run(['stop', '--time', String(STOP_SECONDS), name], signal, REMOVE_MS);
  const args = ['rm', '--force', '--volumes', name];
  const result = await docker.run(args, signal, REMOVE_MS);
  if (result.status !== 0 && (await containerExists(docker, name, signal)))
    throw commandFailure('docker', args, result);
}

/** The last lines of its log, stdout and stderr in the order they were written; empty when there is none. */
export async function containerLog(
  docker: EngineClient,
  name: string,
  lines: number,
  signal: AbortSignal,
): Promise<string> {
  if (!(await containerExists(docker, name, signal))) return '';
  const args = ['logs', '--timestamps', '--tail', String(lines), name];
  const result = await docker.run(args, signal);
  if (result.status !== 0) throw commandFailure('docker', args, result);
  return mergeLog(result.stdout, result.stderr, lines);
}

/** A list, because inspect does not distinguish a container that does not exist from a broken engine. */
async function containerExists(
  docker: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const args = ['ps', '--all', '--filter', `name=^/?${name}$`, '--format', '{{.Names}}'];
  return (await docker.runChecked(args, signal)).split('\n').includes(name);
}

/**
 * Secrets of services that docker runs. Outside a swarm, docker has no secrets, so each is a file of the site, mounted
 * read-only. Every user in the container can read it; on the host, only the owner can enter the folder.
 */
export interface DockerSecrets {
  readonly folder: string;
  has(name: string): Promise<boolean>;
  /** @throws StowageError `io-failed`, `disk-full` */
  place(name: string, value: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
}

export function createDockerSecrets(folder: string): DockerSecrets {
  const fileOf = (name: string): string => join(folder, name);
  return {
    folder,
    has: (name) => exists(fileOf(name)),
    async place(name, value) {
      await makeFolder(folder, 0o700);
      if (await exists(fileOf(name))) return;
      await writeAtomic(fileOf(name), value, 0o444);
    },
    async remove(name) {
      try {
        await rm(fileOf(name), { force: true });
        // The folder goes with the last secret.
        if ((await readdir(folder).catch(() => ['unknown'])).length === 0) await rmdir(folder);
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw ioError(error, fileOf(name));
      }
    },
  };
}
