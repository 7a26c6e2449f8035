import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run, until } from './process.ts';

export interface Engine {
  /**
   * The whole environment under which `podman` uses this engine. It works through a namespace's
   * entrance too: the settings are files, their paths variables.
   */
  readonly env: NodeJS.ProcessEnv;
  /** Runs podman and gives its standard output. @throws Error when it fails */
  podman(...args: readonly string[]): Promise<string>;
  /** Removes every container, unmounts what is mounted, deletes the folder. Call it before the namespace goes. */
  destroy(): Promise<void>;
}

export interface EngineOptions {
  /** A command to run podman through: the entrance of a network namespace. Containers stay reachable from there only. */
  readonly through?: readonly string[];
}

/**
 * A podman whose storage, state, locks and networks all lie in `dir`, so that nothing of the host's
 * own podman is seen or touched. Needs root. The folder's path should be short: sockets lie in it.
 */
export function isolatedEngine(dir: string, options: EngineOptions = {}): Engine {
  const root = resolve(dir);
  const at = (name: string): string => join(root, name);
  for (const name of ['storage', 'run', 'tmp', 'networks', 'volumes', HOME_SETTINGS]) {
    mkdirSync(at(name), { recursive: true });
  }
  writeFileSync(at('containers.conf'), containersConf(at));
  writeFileSync(
    at('storage.conf'),
    `[storage]\ndriver = "overlay"\ngraphroot = "${at('storage')}"\nrunroot = "${at('run')}"\n`,
  );
  const settings = at(HOME_SETTINGS);
  writeFileSync(join(settings, 'registries.conf'), 'unqualified-search-registries = []\n');
  // In a home folder, this one replaces the host's (containers-policy.json(5)).
  const policy = { default: [{ type: 'insecureAcceptAnything' }] };
  writeFileSync(join(settings, 'policy.json'), JSON.stringify(policy));
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    CONTAINERS_CONF: at('containers.conf'),
    CONTAINERS_STORAGE_CONF: at('storage.conf'),
    CONTAINERS_REGISTRIES_CONF: join(settings, 'registries.conf'),
    HOME: at('home'),
    TMPDIR: at('tmp'),
  };
  const [command = 'podman', ...before] = [...(options.through ?? []), 'podman'];
  return {
    env,
    podman: (...args) => run(command, [...before, ...args], { env }),
    destroy: async () => {
      if (!existsSync(root)) return;
      await run(command, [...before, 'rm', '--all', '--force', '--time=0'], { env });
      // When a container has ended, conmon starts podman once more: it would mount and write again what is cleared here.
      const idle = async (): Promise<true | undefined> => (isWorkedIn(root) ? undefined : true);
      await until('the end of podman', 30, idle).catch(() => {});
      for (const mount of mountsBelow(root)) await run('umount', ['--lazy', mount]);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Where podman looks for settings of its user, root too. */
const HOME_SETTINGS = 'home/.config/containers';

/** runc, because crun fails on cgroup v1; explicit limits, because nobody may raise them here. */
function containersConf(at: (name: string) => string): string {
  return `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
events_logger = "file"
lock_type = "file"
tmp_dir = "${at('run/libpod')}"
static_dir = "${at('storage/libpod')}"
volume_path = "${at('volumes')}"
image_copy_tmp_dir = "${at('tmp')}"
[network]
network_backend = "netavark"
network_config_dir = "${at('networks')}"
`;
}

/** Whether a conmon or podman runs whose arguments name this folder. */
function isWorkedIn(root: string): boolean {
  return readdirSync('/proc').some((pid) => {
    if (!/^[0-9]+$/.test(pid)) return false;
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      return /^[^\0]*\b(?:conmon|podman)\0/.test(command) && command.includes(`${root}/`);
    } catch {
      return false; // it ended meanwhile
    }
  });
}

/** The mount points in a folder, the last mounted first. */
export function mountsBelow(root: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${root}/`))
    .reverse();
}
