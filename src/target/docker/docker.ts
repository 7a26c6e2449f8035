import { join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import type { RenderedService } from '../../format/containers.ts';
import { exists } from '../../io/file.ts';
import type { EngineSettings } from '../container/container-settings.ts';
import { withDrift, withRules } from '../container/drift.ts';
import {
  type ContainerEngine,
  type ContainerState,
  type EngineFacts,
  isOurs,
  requireOurs,
} from '../container/engine.ts';
import { createEngineClient, readInside, runInside } from '../container/engine-client.ts';
import { createNetwork, removeNetwork } from '../container/networks.ts';
import { type CommandRunner, type Environment, runCommand } from '../host/command.ts';
import { createEgressRules, type EgressRules } from '../host/egress-rules.ts';
import { hasSelinux } from '../host/platform.ts';
import { createSystemd, systemdRuns, systemFolders } from '../host/systemd.ts';
import {
  containerLog,
  createDockerSecrets,
  type DockerSecrets,
  dockerCreateArguments,
  dockerVariables,
  findContainer,
  removeContainer,
} from './docker-containers.ts';
import { dockerFacts } from './docker-facts.ts';
import { type DockerImage, findImage, hasImage, loadImage, unloadImage } from './docker-images.ts';

export interface DockerOptions {
  readonly env: Environment;
  /** The folder of secrets: absolute, visible to the daemon. */
  readonly secretFolder: string;
  /** Runs programs; tests replace it. */
  readonly run?: CommandRunner;
  /** Whether mounts get the shared SELinux label; by default if this host has SELinux. */
  readonly selinux?: boolean;
}

const START_MS = 300_000;

/** Services as docker containers. The daemon restarts them, also at boot. */
export function createDocker(options: DockerOptions): ContainerEngine {
  const { env, run = runCommand } = options;
  const docker = createEngineClient('docker', run, env);
  const secrets = createDockerSecrets(options.secretFolder);
  const selinux = options.selinux ?? hasSelinux();

  let known: EgressRules | undefined;
  const rules = async (signal: AbortSignal): Promise<EgressRules> => {
    known ??= createEgressRules({
      ...{ run, env, rootless: (await dockerFacts(docker, signal)).rootless },
      systemd: systemdRuns(env, false)
        ? createSystemd({ run, env, user: false, folders: systemFolders })
        : undefined,
    });
    return known;
  };

  const images = new Map<string, DockerImage>();
  const imageOf = async (
    { image }: RenderedService,
    signal: AbortSignal,
  ): Promise<DockerImage | undefined> => {
    const known = images.get(image.tag) ?? (await findImage(docker, image, signal));
    if (known !== undefined) images.set(image.tag, known);
    return known;
  };
  const inspect = async (
    service: RenderedService,
    signal: AbortSignal,
  ): Promise<ContainerState> => {
    const found = await findContainer(docker, service.unit, signal);
    if (found === undefined) return { state: 'absent', detail: '', drift: [] };
    const { image: id = '' } = found.state;
    const own = { ...found, state: { ...found.state, image: idOf(id, service) } };
    const image = (await imageOf(service, signal))?.defaults;
    const engine: EngineSettings = {
      variables: dockerVariables(service),
      secretFiles: service.secrets.map(({ name, path }) => ({
        source: join(secrets.folder, name),
        path,
      })),
      ownSecrets: false,
    };
    const state = withDrift(service, own, { image, engine });
    return service.egress === undefined
      ? state
      : withRules(service, state, await rules(signal), signal);
  };
  const create = async (service: RenderedService, signal: AbortSignal): Promise<void> => {
    await requireSources(service, secrets);
    const image = await imageOf(service, signal);
    const cdi = service.gpus !== undefined && (await dockerFacts(docker, signal)).cdi;
    const args = dockerCreateArguments(service, {
      image: image?.id ?? idOf('', service),
      volumes: image?.volumes ?? [],
      imageUser: image?.defaults.user ?? '',
      secretFolder: secrets.folder,
      selinux,
      gpus: cdi ? 'cdi' : 'runtime',
    });
    await docker.runChecked(args, signal, START_MS);
    const [, ...others] = service.networks;
    for (const name of others) {
      const connect = ['network', 'connect', '--alias', service.name, name, service.unit];
      await docker.runChecked(connect, signal);
    }
  };

  return {
    name: 'docker',
    async probe(signal): Promise<EngineFacts> {
      const { cdi: _, ...facts } = await dockerFacts(docker, signal);
      return { engine: 'docker', systemd: false, names: true, ...facts };
    },
    hasImage: (image, signal) => hasImage(docker, image, signal),
    loadImage: (image, depotHost, signal) => loadImage(docker, image, depotHost, signal),
    unloadImage: (image, signal) => unloadImage(docker, image, signal),
    createNetwork: async (network, signal) =>
      // Docker's proxy forwards from IPv6 to IPv4.
      createNetwork(docker, { ...network, ipv6: false }, await rules(signal), signal),
    whyUnrestricted: async (signal) => (await rules(signal)).whyNone(signal),
    async removeNetwork(network, signal) {
      await removeNetwork(docker, network, await rules(signal), signal);
    },
    hasSecret: (name) => secrets.has(name),
    placeSecret: (name, value) => secrets.place(name, value),
    removeSecret: (name) => secrets.remove(name),
    async startService(service, signal) {
      const state = await inspect(service, signal);
      requireOurs('docker', service, state);
      if (state.state === 'running' && state.drift.length === 0) return;
      await removeContainer(docker, service.unit, signal);
      await create(service, signal);
      await docker.runChecked(['start', service.unit], signal, START_MS);
    },
    async stopService(service, signal) {
      const found = await findContainer(docker, service.unit, signal);
      // An object of another owner with this name is left alone.
      if (found !== undefined && !isOurs(service, found.state)) return;
      await removeContainer(docker, service.unit, signal);
    },
    inspectService: inspect,
    runInside: (service, command, signal) => runInside(docker, service.unit, command, signal),
    readInside: (service, path, signal) => readInside(docker, service.unit, path, signal),
    logs: (service, lines, signal) => containerLog(docker, service.unit, lines, signal),
    async followLogs(service, lines, write, signal) {
      if ((await findContainer(docker, service.unit, signal)) === undefined) return;
      const args = ['logs', '--follow', '--tail', String(lines), service.unit];
      await docker.follow(args, write, signal);
    },
  };
}

/** For a missing source, docker would create a folder in the site. @throws StowageError `engine-failed` */
async function requireSources(service: RenderedService, secrets: DockerSecrets): Promise<void> {
  const mounts = service.mounts.flatMap((each) => ('source' in each ? [each.source] : []));
  const files = service.secrets.map(({ name }) => join(secrets.folder, name));
  for (const path of [...mounts, ...files]) {
    if (await exists(path)) continue;
    throw new StowageError('engine-failed', `a mount of service ${service.name} does not exist`, {
      expected: path,
      found: 'nothing',
      hint: 'run the same command again: it places the files of a service before it starts the service',
    });
  }
}

/** The id of an image as the digest of its config; with containerd's image store, docker reports the manifest. */
function idOf(id: string, { image }: RenderedService): string {
  const hex = (digest: string): string => digest.replace(/^sha256:/, '');
  return id === '' || id === hex(image.manifest) ? hex(image.config) : id;
}
