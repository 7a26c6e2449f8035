import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type AirGap, airGap } from './airgap.ts';
import { mountsBelow } from './engine.ts';
import { capture, end, run, START_SECONDS, start, until } from './process.ts';

export interface Docker {
  /** The whole environment under which `docker` uses this daemon, from any namespace. */
  readonly env: NodeJS.ProcessEnv;
  /** The daemon's network, which has no way out: there its containers publish their ports. */
  readonly gap: AirGap;
  /** Runs docker and gives its standard output. @throws Error when it fails */
  docker(...args: readonly string[]): Promise<string>;
  /** Removes every container, ends the daemon and what it started, deletes the folder. */
  destroy(): Promise<void>;
}

/**
 * A docker daemon whose storage, state and socket lie in `dir`, in a network namespace of its own, where it may
 * set up bridges and packet filters that nobody else sees. Needs root. The folder's path should be short: sockets
 * lie in it.
 */
export async function isolatedDocker(dir: string): Promise<Docker> {
  const root = resolve(dir);
  const at = (name: string): string => join(root, name);
  for (const name of ['config', 'tmp']) mkdirSync(at(name), { recursive: true });
  // In place of the host's own, which may name folders and networks.
  writeFileSync(at('daemon.json'), '{}');
  const gap = await airGap();
  await gap.run('sysctl', ['--quiet', '--write', 'net.ipv4.ip_forward=1']);
  const socket = `unix://${at('docker.sock')}`;
  const log = openSync(at('log'), 'a');
  const [command = '', ...before] = gap.enter;
  // The kernel ends it with its parent, however that ends.
  const args = [
    ...before,
    'setpriv',
    '--pdeathsig=TERM',
    'dockerd',
    ...daemonArguments(at, socket),
  ];
  const daemon = await start(command, args, {
    stdio: ['ignore', log, log],
    env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, TMPDIR: at('tmp') },
  }).finally(() => closeSync(log));
  const env = {
    ...process.env,
    DOCKER_HOST: socket,
    DOCKER_CONFIG: at('config'),
    DOCKER_CONTEXT: undefined,
  };
  const docker = (...words: readonly string[]): Promise<string> => run('docker', words, { env });
  const destroy = async (): Promise<void> => {
    const containers = await capture('docker', ['ps', '--all', '--quiet'], { env });
    const ids = containers.stdout.split('\n').filter((id) => id !== '');
    if (ids.length > 0) await capture('docker', ['rm', '--force', '--volumes', ...ids], { env });
    await end(daemon);
    await gap.destroy();
    for (const mount of mountsBelow(root)) await run('umount', ['--lazy', mount]);
    rmSync(root, { recursive: true, force: true });
  };
  try {
    await until('the start of dockerd', START_SECONDS, async () => {
      if (daemon.exitCode !== null) throw new Error(`dockerd ended with ${daemon.exitCode}`);
      return (await capture('docker', ['version'], { env })).status === 0 || undefined;
    });
  } catch (error) {
    const said = readFileSync(at('log'), 'utf8');
    await destroy();
    throw new Error(`no docker: ${said.slice(-4000)}`, { cause: error });
  }
  return {
    env,
    gap,
    docker,
    destroy,
  };
}

/** Addresses that nothing else on a machine is likely to have; limits, because nobody may raise them here. */
function daemonArguments(at: (name: string) => string, socket: string): string[] {
  return [
    ...[
      '--config-file',
      at('daemon.json'),
      '--data-root',
      at('data'),
      '--exec-root',
      at('exec'),
      '--pidfile',
      at('pid'),
    ],
    ...['--host', socket, '--ip6tables=false', '--bip', '10.214.0.1/24'],
    ...['--default-address-pool', 'base=10.213.0.0/16,size=24'],
    ...['--default-ulimit', 'nofile=4096:4096'],
  ];
}
