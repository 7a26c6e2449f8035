import { join } from 'node:path';
import { digestHex } from '../../core/digest.ts';
import { counted } from '../../core/text.ts';
import type { RenderedService } from '../../format/containers.ts';
import { homeFolder, isRootless } from '../../io/user.ts';
import { variablesOf } from '../container/container-arguments.ts';
import type { EngineSettings, ImageDefaults } from '../container/container-settings.ts';
import { differs, withDrift, withRules } from '../container/drift.ts';
import {
  type ContainerEngine,
  type ContainerState,
  type EngineFacts,
  isOurs,
  isOurUnit,
  requireOurs,
  requireOurUnit,
} from '../container/engine.ts';
import { createEngineClient, readInside, runInside } from '../container/engine-client.ts';
import { createNetwork, removeNetwork } from '../container/networks.ts';
import { type CommandRunner, type Environment, programPath, runCommand } from '../host/command.ts';
import { createEgressRules } from '../host/egress-rules.ts';
import { hasSelinux } from '../host/platform.ts';
import {
  createSystemd,
  systemdRuns,
  systemFolders,
  type UnitForm,
  type UnitSource,
  type UnitState,
} from '../host/systemd.ts';
import type { Drift } from '../target.ts';
import { podmanRunArguments } from './podman-arguments.ts';
import {
  containerLog,
  findContainer,
  hasSecret,
  placeSecret,
  removeContainer,
  removeSecret,
} from './podman-containers.ts';
import { podmanFacts, readsQuadlet, removeBridge } from './podman-facts.ts';
import { findDefaults, hasImage, loadImage, unloadImage } from './podman-images.ts';
import { podmanQuadlet, podmanUnit } from './podman-unit.ts';

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
  const rootless = isRootless();
  const selinux = options.selinux ?? hasSelinux();
  const systemd =
    (options.systemd ?? systemdRuns(env, rootless))
      ? createSystemd({ run, env, user: rootless, folders: unitFolders(options, rootless) })
      : undefined;
  const rules = createEgressRules({ run, env, rootless, systemd });
  let form = options.form;

  const defaults = new Map<string, ImageDefaults>();
  const defaultsOf = async (
    { image }: RenderedService,
    signal: AbortSignal,
  ): Promise<ImageDefaults | undefined> => {
    const id = digestHex(image.config);
    const known = defaults.get(id) ?? (await findDefaults(podman, id, signal));
    if (known !== undefined) defaults.set(id, known);
    return known;
  };
  const textIn = async (service: RenderedService, of: UnitForm): Promise<string> => {
    const render = of === 'quadlet' ? podmanQuadlet : podmanUnit;
    return render(service, {
      podman: (await programPath('podman', env)) ?? '/usr/bin/podman',
      wantedBy: rootless ? 'default.target' : 'multi-user.target',
      selinux,
      environment: engineVariables(env),
    });
  };
  const unitSource = async (service: RenderedService, signal: AbortSignal): Promise<UnitSource> => {
    form ??= readsQuadlet(await podmanFacts(podman, signal), rootless) ? 'quadlet' : 'unit';
    return { form, text: await textIn(service, form) };
  };
  const inspect = async (
    service: RenderedService,
    signal: AbortSignal,
  ): Promise<ContainerState> => {
    const [found, image, installed] = await Promise.all([
      findContainer(podman, service.unit, signal),
      defaultsOf(service, signal),
      systemd?.source(service.unit),
    ]);
    const supervisor = systemd === undefined ? 'podman' : 'systemd';
    const engine: EngineSettings = {
      ...{ variables: variablesOf(service), secretFiles: [], ownSecrets: true },
      // The command that Quadlet makes depends on the version of podman; its file is compared instead.
      ...(installed?.form === 'quadlet'
        ? {}
        : { createdBy: podmanRunArguments(service, { supervisor, selinux }) }),
    };
    const state =
      found === undefined
        ? ({ state: 'absent', detail: '', drift: [] } as const)
        : await withRules(service, withDrift(service, found, { image, engine }), rules, signal);
    if (systemd === undefined) return state;
    if (installed === undefined) return found === undefined ? state : withoutUnit(state);
    const unit = await systemd.show(service.unit, signal);
    const changed = installed.text !== (await textIn(service, installed.form));
    return withUnit(state, unit, unitDrift(unit, installed.form, changed));
  };
  const remove = async (service: RenderedService, signal: AbortSignal): Promise<void> => {
    await systemd?.remove(service.unit, signal);
    await removeContainer(podman, service.unit, signal);
  };

  return {
    name: 'podman',
    async probe(signal): Promise<EngineFacts> {
      const facts = await podmanFacts(podman, signal);
      const home = homeFolder(env);
      return { engine: 'podman', systemd: systemd !== undefined, rootless, home, ...facts };
    },
    hasImage: (image, signal) => hasImage(podman, image, signal),
    loadImage: (image, depotHost, signal) => loadImage(podman, image, depotHost, signal),
    unloadImage: (image, signal) => unloadImage(podman, image, signal),
    createNetwork: (network, signal) => createNetwork(podman, network, rules, signal),
    whyUnrestricted: (signal) => rules.whyNone(signal),
    async removeNetwork(network, signal) {
      const bridge = await removeNetwork(podman, network, rules, signal);
      if (bridge !== undefined && !rootless) await removeBridge(bridge, { run, env, signal });
    },
    hasSecret: (name, signal) => hasSecret(podman, name, signal),
    placeSecret: (name, value, signal) => placeSecret(podman, name, value, signal),
    removeSecret: (name, signal) => removeSecret(podman, name, signal),
    async startService(service, signal) {
      const source = systemd === undefined ? undefined : await unitSource(service, signal);
      const state = await inspect(service, signal);
      requireOurs('podman', service, state);
      const installed = await systemd?.source(service.unit);
      if (installed !== undefined) requireOurUnit(service, installed);
      const current = state.drift.length === 0 && source?.form === installed?.form;
      if (state.state === 'running' && current) return;
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
      const found = await findContainer(podman, service.unit, signal);
      // An object of another owner with this name is left alone.
      if (installed !== undefined && !isOurUnit(service, installed)) return;
      if (found !== undefined && !isOurs(service, found.state)) return;
      await remove(service, signal);
    },
    inspectService: inspect,
    runInside: (service, command, signal) => runInside(podman, service.unit, command, signal),
    readInside: (service, path, signal) => readInside(podman, service.unit, path, signal),
    async logs(service, lines, signal) {
      const generated = (await systemd?.source(service.unit))?.form === 'quadlet';
      return generated && systemd !== undefined
        ? systemd.log(service.unit, lines, signal)
        : containerLog(podman, service.unit, lines, signal);
    },
    async followLogs(service, lines, write, signal) {
      const generated = (await systemd?.source(service.unit))?.form === 'quadlet';
      if (generated && systemd !== undefined)
        return systemd.followLog(service.unit, lines, write, signal);
      if ((await findContainer(podman, service.unit, signal)) === undefined) return;
      const args = ['logs', '--follow', '--tail', String(lines), service.unit];
      await podman.follow(args, write, signal);
    },
  };
}

/** The state of the container, with that of its unit. */
function withUnit(state: ContainerState, unit: UnitState, drift: readonly Drift[]): ContainerState {
  const about = `unit ${unit.active} (${unit.sub}), result ${unit.result}, restarted ${counted(unit.restarts, 'time')}`;
  const detail = [state.detail, about].filter((each) => each !== '').join('; ');
  const { restarts } = unit;
  const all = { restarts, drift: [...drift, ...state.drift] };
  if (state.state === 'running')
    return { ...state, ...all, detail: restarts > 0 ? detail : state.detail };
  return { ...state, ...all, state: 'stopped', detail };
}

/** The host does not start such a container when it boots. */
function withoutUnit(state: ContainerState): ContainerState {
  return { ...state, drift: [differs('unit file', 'a unit', 'none'), ...state.drift] };
}

function unitDrift(unit: UnitState, form: UnitForm, changed: boolean): Drift[] {
  const [dropIn] = unit.dropIns;
  return [
    ...(changed ? [differs('unit file', 'the file of the generation', 'another text')] : []),
    ...(unit.stale
      ? [differs('unit', 'the file that systemd has read', 'a file changed since')]
      : []),
    ...(dropIn === undefined ? [] : [differs('unit drop-ins', 'none', dropIn)]),
    ...(form === 'unit' && !['', 'enabled'].includes(unit.file)
      ? [differs('start at boot', 'enabled', unit.file)]
      : []),
  ];
}

function unitFolders(
  { env, unitFolder, quadletFolder }: PodmanOptions,
  rootless: boolean,
): Record<UnitForm, string> {
  const config = env['XDG_CONFIG_HOME'] ?? join(homeFolder(env), '.config');
  const { unit, quadlet } = rootless
    ? { unit: join(config, 'systemd', 'user'), quadlet: join(config, 'containers', 'systemd') }
    : systemFolders;
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
