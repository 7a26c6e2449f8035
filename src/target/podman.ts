import { existsSync, readlinkSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { StowageError } from '../core/error.ts';
import type { RenderedService } from '../format/generation.ts';
import { type CommandRunner, type Environment, runCommand } from './command.ts';
import { podmanRunArguments } from './podman-arguments.ts';
import { createPodmanClient } from './podman-client.ts';
import { containerLog, inspectContainer, removeContainer } from './podman-containers.ts';
import { hasImage, loadImage, unloadImage } from './podman-images.ts';
import { createNetwork, removeNetwork } from './podman-networks.ts';
import { hasSecret, placeSecret, removeSecret } from './podman-secrets.ts';
import { podmanUnit } from './podman-unit.ts';
import { programPath } from './program-path.ts';
import { specificationOf } from './specification.ts';
import { createSystemd, type Systemd } from './systemd.ts';
import type { Engine, ServiceState, Target } from './target.ts';

export interface PodmanOptions {
  readonly env: Environment;
  /** Runs programs; tests bend it. */
  readonly run?: CommandRunner;
  /** Whether services become units; by default whether systemd runs here, for this user. */
  readonly systemd?: boolean;
  /** Where unit files go, other than systemd's own folder for this user. */
  readonly unitFolder?: string;
  /** Whether mounts carry the shared SELinux label; by default whether this host has SELinux. */
  readonly selinux?: boolean;
}

/** The oldest podman that was tried: Debian 12 and RHEL 9.2 have it or a newer one. */
const OLDEST = [4, 3] as const;
const START_MS = 300_000;
const ENGINE_VARIABLES = [
  'CONTAINERS_CONF',
  'CONTAINERS_REGISTRIES_CONF',
  'CONTAINERS_STORAGE_CONF',
] as const;

/** Services as containers of podman: units of systemd where it runs, else with podman's own restart policy. */
export function createPodman(options: PodmanOptions): Target {
  const { env, run = runCommand } = options;
  const podman = createPodmanClient(run, env);
  const rootless = userInfo().uid !== 0;
  const selinux = options.selinux ?? existsSync('/sys/fs/selinux/enforce');
  const folder = options.unitFolder ?? unitFolder(env, rootless);
  const systemd =
    (options.systemd ?? systemdRuns(env, rootless))
      ? createSystemd({ run, env, user: rootless, folder })
      : undefined;

  const inspect = async (service: RenderedService, signal: AbortSignal): Promise<ServiceState> => {
    const state = await inspectContainer(podman, service.unit, signal);
    return systemd === undefined ? state : withUnit(systemd, service, state, signal);
  };
  const unitText = async (service: RenderedService): Promise<string> =>
    podmanUnit(service, {
      podman: (await programPath('podman', env)) ?? '/usr/bin/podman',
      wantedBy: rootless ? 'default.target' : 'multi-user.target',
      selinux,
      environment: engineVariables(env),
    });
  const stop = async (service: RenderedService, signal: AbortSignal): Promise<void> => {
    await systemd?.remove(service.unit, signal);
    await removeContainer(podman, service.unit, signal);
  };

  return {
    name: 'podman',
    async probe(signal): Promise<Engine> {
      const { version, images, fetching } = await describePodman(podman, signal);
      return {
        engine: 'podman',
        version,
        systemd: systemd !== undefined,
        ...(images === undefined ? {} : { images }),
        ...(fetching === undefined ? {} : { fetching }),
      };
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
      const text = systemd === undefined ? undefined : await unitText(service);
      const state = await inspect(service, signal);
      const current = state.specification === specificationOf(service);
      if (state.state === 'running' && current && text === (await systemd?.text(service.unit)))
        return;
      await stop(service, signal);
      if (systemd !== undefined && text !== undefined)
        await systemd.install(service.unit, text, signal);
      else {
        const args = podmanRunArguments(service, { supervisor: 'podman', selinux });
        await podman.must(args, signal, START_MS);
      }
    },
    stopService: stop,
    inspectService: inspect,
    async runInside(service, command, signal) {
      const { status, stdout, stderr } = await podman.ask(
        ['exec', service.unit, ...command],
        signal,
      );
      return { status, output: (stdout + stderr).trim().split('\n').slice(-8).join('\n') };
    },
    logs: (service, lines, signal) => containerLog(podman, service.unit, lines, signal),
  };
}

/** What podman says of the container, and what systemd says when it does not run. */
async function withUnit(
  systemd: Systemd,
  service: RenderedService,
  state: ServiceState,
  signal: AbortSignal,
): Promise<ServiceState> {
  if ((await systemd.text(service.unit)) === undefined) return state;
  const unit = await systemd.show(service.unit, signal);
  const about = `unit ${unit.active} (${unit.sub}), result ${unit.result}, restarted ${unit.restarts} times`;
  const detail = [state.detail, about].filter((each) => each !== '').join('; ');
  const restarts = unit.restarts;
  if (state.state === 'running')
    return { ...state, restarts, detail: restarts > 0 ? detail : state.detail };
  return { ...state, state: 'stopped', restarts, detail };
}

const DESCRIPTION = '{{.Version.Version}}\n{{.Store.GraphRoot}}\n{{.Store.ImageCopyTmpDir}}';

async function describePodman(
  podman: ReturnType<typeof createPodmanClient>,
  signal: AbortSignal,
): Promise<{ version: string; images?: string; fetching?: string }> {
  // "info" opens the image store and finds the runtime, which "version" does not.
  const text = await podman
    .must(['info', '--format', DESCRIPTION], signal)
    .catch((cause: unknown) => {
      throw cause instanceof StowageError && cause.code === 'host-unfit'
        ? unfit('none', cause)
        : cause;
    });
  const [version = '', ...folders] = text.trim().split('\n');
  const [images, fetching] = folders.map((each) => (isAbsolute(each) ? each : undefined));
  const [, major = '0', minor = '0'] = /^([0-9]+)\.([0-9]+)/.exec(version) ?? [];
  const [oldestMajor, oldestMinor] = OLDEST;
  const old =
    Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor);
  if (old) throw unfit(version);
  return {
    version,
    ...(images === undefined ? {} : { images }),
    ...(fetching === undefined ? {} : { fetching }),
  };
}

function unfit(found: string, cause?: unknown): StowageError {
  return new StowageError('host-unfit', 'this host has no podman that can run the services', {
    expected: `podman ${OLDEST.join('.')} or newer`,
    found,
    hint: 'install it from this host\'s own packages: "apt-get install podman runc" on Debian and Ubuntu, "dnf install podman" on RHEL and Fedora',
    cause,
  });
}

function systemdRuns(env: Environment, rootless: boolean): boolean {
  if (!existsSync('/run/systemd/system') || !inNetworkOfInit()) return false;
  return !rootless || existsSync(join(env['XDG_RUNTIME_DIR'] ?? '/nonexistent', 'systemd'));
}

/** A unit starts in the network of process 1: in any other, systemd could not put a service where it was installed. */
function inNetworkOfInit(): boolean {
  try {
    return readlinkSync('/proc/1/ns/net') === readlinkSync('/proc/self/ns/net');
  } catch {
    // Only root may look at process 1; a user's own network would have to be asked for on purpose.
    return true;
  }
}

function unitFolder(env: Environment, rootless: boolean): string {
  if (!rootless) return '/etc/systemd/system';
  const home = env['HOME'] ?? homedir();
  return join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'systemd', 'user');
}

function engineVariables(env: Environment): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of ENGINE_VARIABLES) {
    const value = env[name];
    if (value !== undefined) values[name] = value;
  }
  return values;
}
