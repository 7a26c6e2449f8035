import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isolatedEngine } from './engine.ts';
import { type HostState, readHostState } from './host-state.ts';
import { capture, type Output, run, START_SECONDS, until } from './process.ts';

/** A server as a site has it: systemd, podman, no Node, no way out. */
export interface TargetHost {
  /** A folder whose content the host sees under `/media`: read-only, nothing in it runs. */
  readonly media: string;
  /** Runs a script of bash on the host as root, with these positional parameters. */
  run(script: string, ...args: readonly string[]): Promise<Output>;
  /** The same, where it must succeed. @returns what it wrote to standard output @throws Error with what it wrote */
  must(script: string, ...args: readonly string[]): Promise<string>;
  /** Ends every process at once, forgets what was in memory, and starts systemd again. */
  reboot(): Promise<void>;
  /** All that an installation can leave behind. */
  state(): Promise<HostState>;
  /** Ends it, unmounts what was mounted and deletes the folder. */
  destroy(): Promise<void>;
}

/** Programs that a site does not have. */
const PROGRAMS = ['node', 'nodejs', 'npm', 'npx', 'corepack'];
/** What of this machine the host must not see; those that end in a slash are there and empty. */
const HIDDEN: readonly string[] = [
  ...['bin', 'sbin', 'local/bin', 'local/sbin'].flatMap((folder) =>
    PROGRAMS.map((name) => `usr/${folder}/${name}`),
  ),
  ...['usr/lib/node_modules', 'usr/local/lib/node_modules', 'usr/share/nodejs', 'work'],
  ...['root/', 'home/', 'opt/', 'run/', 'tmp/', 'mnt/', 'media/', 'srv/'],
  ...['etc/containers/', 'etc/cni', 'etc/docker', 'etc/systemd/system/', 'etc/init.d'],
  ...['0', '1', '2', '3', '4', '5', '6', 'S'].map((level) => `etc/rc${level}.d`),
  ...['containers/', 'cni', 'docker', 'containerd', 'docker-registry', 'stowage'].map(
    (name) => `var/lib/${name}`,
  ),
];

/** Units that would reach through to the kernel or the devices of this machine, and prompts nobody sees. */
const MASKED: readonly string[] = [
  ...['systemd-udevd.service', 'systemd-udev-trigger.service', 'systemd-udevd-control.socket'],
  ...['systemd-udevd-kernel.socket', 'systemd-sysctl.service', 'systemd-modules-load.service'],
  ...['systemd-binfmt.service', 'proc-sys-fs-binfmt_misc.automount', 'systemd-remount-fs.service'],
  ...['dev-hugepages.mount', 'sys-kernel-debug.mount', 'sys-kernel-tracing.mount'],
  ...['sys-fs-fuse-connections.mount', 'getty.target', 'console-getty.service'],
];

/** As `engine.ts` says why; the site's own podman works with these alone. */
const CONTAINERS_CONF = `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
events_logger = "file"
[network]
network_backend = "netavark"
`;

const NAME = 'target';

/**
 * Starts a host in a privileged container of an engine of its own: this machine's files under a layer in memory
 * that takes what the host writes, and hides what a site does not have. Needs root and the packages of
 * `packages.sh`. `dir` should be short and on a disk: the images of the host's podman lie there.
 */
export async function startTargetHost(dir: string): Promise<TargetHost> {
  const at = (...names: readonly string[]): string => join(resolve(dir), ...names);
  for (const name of ['layer', 'media', 'containers']) mkdirSync(at(name), { recursive: true });
  const engine = isolatedEngine(at('engine'));
  const upper = at('layer/upper');
  const destroy = async (): Promise<void> => {
    try {
      await engine.destroy();
    } finally {
      for (const mount of ['layer/root', 'layer']) await capture('umount', ['--lazy', at(mount)]);
      await run('rm', ['--recursive', '--force', '--one-file-system', at()]);
    }
  };
  const inside = (script: string, args: readonly string[]): Promise<Output> =>
    capture('podman', ['exec', '--workdir', '/', NAME, 'bash', '-c', script, 'bash', ...args], {
      env: engine.env,
    });
  const must = async (script: string, ...args: readonly string[]): Promise<string> => {
    const { status, stdout, stderr } = await inside(script, args);
    if (status !== 0) throw new Error(`on the host, ${status}: ${script}\n${stdout}${stderr}`);
    return stdout;
  };
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=4g,mode=755', 'none', at('layer')]);
    await layRoot(at('layer'));
    await engine.podman(
      ...['run', '--detach', '--name', NAME, '--hostname', NAME, '--privileged'],
      ...['--systemd', 'always', '--cgroupns', 'private', '--network', 'none'],
      ...['--volume', `${at('containers')}:/var/lib/containers`],
      ...['--volume', `${at('media')}:/media:ro,noexec,nosuid`],
      ...['--rootfs', at('layer/root'), '/lib/systemd/systemd'],
    );
    await booted(inside);
  } catch (error) {
    await destroy();
    throw error;
  }
  return {
    media: at('media'),
    run: (script, ...args) => inside(script, args),
    must,
    reboot: async () => {
      await engine.podman('restart', '--time', '0', NAME);
      await booted(inside);
    },
    state: () => readHostState({ must, upper, engine: at('containers'), hidden: HIDDEN }),
    destroy,
  };
}

/** This machine's root under a layer that hides and configures. */
async function layRoot(layer: string): Promise<void> {
  const [upper, root] = [join(layer, 'upper'), join(layer, 'root')];
  for (const folder of [upper, root, join(layer, 'work')]) mkdirSync(folder);
  // A character device 0/0 is how an overlay says that there is nothing (Documentation/filesystems/overlayfs.rst).
  for (const path of HIDDEN.map((each) => each.replace(/\/$/, ''))) {
    if (!existsSync(join('/', path))) continue;
    mkdirSync(join(upper, dirname(path)), { recursive: true });
    await run('mknod', [join(upper, path), 'c', '0', '0']);
  }
  const options = `lowerdir=/,upperdir=${upper},workdir=${join(layer, 'work')}`;
  await run('mount', ['-t', 'overlay', '-o', options, 'overlay', root]);
  const at = (path: string): string => join(root, path);
  for (const path of HIDDEN.filter((each) => each.endsWith('/')))
    mkdirSync(at(path), { recursive: true });
  await run('chmod', ['1777', at('tmp')]);
  writeFileSync(at('etc/containers/containers.conf'), CONTAINERS_CONF);
  writeFileSync(at('etc/containers/registries.conf'), 'unqualified-search-registries = []\n');
  const policy = { default: [{ type: 'insecureAcceptAnything' }] };
  writeFileSync(at('etc/containers/policy.json'), JSON.stringify(policy));
  for (const unit of MASKED) symlinkSync('/dev/null', at(`etc/systemd/system/${unit}`));
}

async function booted(
  inside: (script: string, args: readonly string[]) => Promise<Output>,
): Promise<void> {
  await until('the start of the host', START_SECONDS, async () => {
    const { stdout } = await inside('systemctl is-system-running --wait', []);
    return /^(?:running|degraded)\b/.test(stdout) ? true : undefined;
  });
}
