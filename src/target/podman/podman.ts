import { existsSync, readlinkSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { RenderedService } from '../../format/containers.ts';
import { specificationOf } from '../container/container-arguments.ts';
import type { ContainerEngine, ContainerState, EngineFacts } from '../container/engine.ts';
import { createEngineClient, runInside } from '../container/engine-client.ts';
import { createNetwork, removeNetwork } from '../container/networks.ts';
import { isOurs, isOurUnit, requireOurs, requireOurUnit } from '../container/ownership.ts';
import { type CommandRunner, type Environment, runCommand } from '../host/command.ts';
import { hasSelinux } from '../host/platform.ts';
import { programPath } from '../host/program-path.ts';
import { createSystemd, type Systemd, type UnitForm, type UnitSource } from '../host/systemd.ts';
import { podmanRunArguments } from './podman-arguments.ts';
import { containerLog, inspectContainer, removeContainer } from './podman-containers.ts';
import { podmanFacts, readsQuadlet } from './podman-facts.ts';
import { hasImage, loadImage, unloadImage } from './podman-images.ts';
import { podmanQuadlet } from './podman-quadlet.ts';
import { hasSecret, placeSecret, removeSecret } from './podman-secrets.ts';
import { podmanUnit } from './podman-unit.ts';

export interface PodmanOptions {
  readonly env: Environment;
  /** Runs programs; tests replace it. */
  readonly run?: CommandRunner;
  /** Whether services become units; by default if systemd runs here, for this user. */
  readonly systemd?: boolean;
  /** The form of units; by default Quadlet files if podman supports them. */
  readonly form?: UnitForm;
  /** Replaces systemd's folder of unit files for this user. */
  readonly unitFolder?: string;
  /** Replaces podman's folder of Quadlet files for this user. */
  readonly quadletFolder?: string;
  /** Whether mounts get the shared SELinux label; by default if this host has SELinux. */
  readonly selinux?: boolean;
}

const START_MS = 300_000;
const ENGINE_VARIABLES = [
  'CONTAINERS_CONF',
  'CONTAINERS_REGISTRIES_CONF',
  'CONTAINERS_STORAGE_CONF',
] as const;

/** Services as podman containers: systemd units if systemd runs, otherwise with podman's restart policy. */
export function createPodman(options: PodmanOptions): ContainerEngine {
  const { env, run = runCommand } = options;
  const podman = createEngineClient('podman', run, env);
  const rootless = userInfo().uid !== 0;
  const selinux = options.selinux ?? hasSelinux();
  const systemd =
    (options.systemd ?? systemdRuns(env, rootless))
      ? createSystemd({ run, env, user: rootless, folders: unitFolders(options, rootless) })
      : undefined;
  let form = options.form;

  const inspect = async (
    service: RenderedService,
    signal: AbortSignal,
  ): Promise<ContainerState> => {
    const state = await inspectContainer(podman, service.unit, signal);
    return systemd === undefined ? state : withUnit(systemd, service, state, signal);
  };
  const unitSource = async (service: RenderedService, signal: AbortSignal): Promise<UnitSource> => {
    form ??= readsQuadlet(await podmanFacts(podman, signal), rootless) ? 'quadlet' : 'unit';
    const render = form === 'quadlet' ? podmanQuadlet : podmanUnit;
    const text = render(service, {
      podman: (await programPath('podman', env)) ?? '/usr/bin/podman',
      wantedBy: rootless ? 'default.target' : 'multi-user.target',
      selinux,
      environment: engineVariables(env),
    });
    return { form, text };
  };
  const remove = async (service: RenderedService, signal: AbortSignal): Promise<void> => {
    await systemd?.remove(service.unit, signal);
    await removeContainer(podman, service.unit, signal);
  };

  return {
    name: 'podman',
    async probe(signal): Promise<EngineFacts> {
      const facts = await podmanFacts(podman, signal);
      return { engine: 'podman', systemd: systemd !== undefined, rootless, ...facts };
    },
    hasImage: (image, signal) => hasImage(podman, image, signal),
    loadImage: (image, depotHost, signal) => loadImage(podman, image, depotHost, signal),
    unloadImage: (image, signal) => unloadImage(podman, image, signal),
    createNetwork: (network, signal) => createNetwork(podman, network, signal),
    removeNetwork: (network, signal) => removeNetwork(podman, network, signal),
    hasSecret: (name, signal) => hasSecret(podman, name, signal),
    placeSecret: (name, value, signal) => placeSecret(podman, name, value, signal),
    removeSecret: (name, signal) => removeSecret(podman, name, signal),
    async startService(service, signal) {
      const source = systemd === undefined ? undefined : await unitSource(service, signal);
      const state = await inspect(service, signal);
      requireOurs('podman', service, state);
      const current = state.specification === specificationOf(service);
      const installed = await systemd?.source(service.unit);
      if (installed !== undefined) requireOurUnit(service, installed);
      if (state.state === 'running' && current && source?.text === installed?.text) return;
      await remove(service, signal);
      if (systemd !== undefined && source !== undefined)
        await systemd.install(service.unit, source, signal);
      else {
        const args = podmanRunArguments(service, { supervisor: 'podman', selinux });
        await podman.runChecked(args, signal, START_MS);
      }
    },
    async stopService(service, signal) {
      const installed = await systemd?.source(service.unit);
      const state = await inspectContainer(podman, service.unit, signal);
      // An object of another owner with this name is left alone.
      if (installed !== undefined && !isOurUnit(service, installed)) return;
      if (state.state !== 'absent' && !isOurs(service, state)) return;
      await remove(service, signal);
    },
    inspectService: inspect,
    runInside: (service, command, signal) => runInside(podman, service.unit, command, signal),
    async logs(service, lines, signal) {
      const generated = (await systemd?.source(service.unit))?.form === 'quadlet';
      return generated && systemd !== undefined
        ? systemd.log(service.unit, lines, signal)
        : containerLog(podman, service.unit, lines, signal);
    },
  };
}

/** The state of the container, with that of its unit. */
async function withUnit(
  systemd: Systemd,
  service: RenderedService,
  state: ContainerState,
  signal: AbortSignal,
): Promise<ContainerState> {
  if ((await systemd.source(service.unit)) === undefined) return state;
  const unit = await systemd.show(service.unit, signal);
  const about = `unit ${unit.active} (${unit.sub}), result ${unit.result}, restarted ${unit.restarts} times`;
  const detail = [state.detail, about].filter((each) => each !== '').join('; ');
  const restarts = unit.restarts;
  if (state.state === 'running')
    return { ...state, restarts, detail: restarts > 0 ? detail : state.detail };
  return { ...state, state: 'stopped', restarts, detail };
}

function systemdRuns(env: Environment, rootless: boolean): boolean {
  if (!existsSync('/run/systemd/system') || !inNetworkOfInit()) return false;
  return !rootless || existsSync(join(env['XDG_RUNTIME_DIR'] ?? '/nonexistent', 'systemd'));
}

/** Units start in the network namespace of process 1: from any other, systemd cannot start the services here. */
function inNetworkOfInit(): boolean {
  try {
    return readlinkSync('/proc/1/ns/net') === readlinkSync('/proc/self/ns/net');
  } catch {
    // Only root can read it; other users rarely work in another namespace.
    return true;
  }
}

function unitFolders(
  { env, unitFolder, quadletFolder }: PodmanOptions,
  rootless: boolean,
): Record<UnitForm, string> {
  const config = env['XDG_CONFIG_HOME'] ?? join(env['HOME'] ?? homedir(), '.config');
  const [unit, quadlet] = rootless
    ? [join(config, 'systemd', 'user'), join(config, 'containers', 'systemd')]
    : ['/etc/systemd/system', '/etc/containers/systemd'];
  return { unit: unitFolder ?? unit, quadlet: quadletFolder ?? quadlet };
}

function engineVariables(env: Environment): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of ENGINE_VARIABLES) {
    const value = env[name];
    if (value !== undefined) values[name] = value;
  }
  return values;
}
