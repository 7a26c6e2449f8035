import { readFileSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, StowageError } from '../../core/error.ts';
import { type Fields, fieldsOf, listOf, parseJson, textOf } from '../../core/json.ts';
import { oneLine } from '../../core/text.ts';
import { readIfThere, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { labels } from '../container/container-arguments.ts';
import { createEngineClient } from '../container/engine-client.ts';
import { createDocker } from '../docker/docker.ts';
import { type CommandRunner, type Environment, UNLIMITED_MS } from '../host/command.ts';
import { type DnsAddresses, writeAnswer } from './dns-message.ts';
import type { PeerNames } from './peer-names.ts';
import {
  COMMAND_MS,
  containerIn,
  RUN_FOLDER,
  type SealedEngine,
  type SealedEngineOptions,
  withOpenNetworks,
  withoutRules,
} from './sealed-engine.ts';
import { OWN_IPV4 } from './sealed-network.ts';
import { ipv6Hex } from './socket-owner.ts';

const SOCKET = `unix://${join(RUN_FOLDER, 'docker.sock')}`;
const START_MS = 60_000;
const STOP_MS = 20_000;
const LOOK_MS = 200;
const RESOLVER_FILE = '/etc/resolv.conf';
/** What the containers of this host get from its own daemon, such as a runtime for GPUs. */
const KEPT_SETTINGS = [
  ...['runtimes', 'default-runtime', 'default-ulimits', 'default-shm-size', 'seccomp-profile'],
  ...['storage-driver', 'storage-opts', 'features', 'cdi-spec-dirs', 'init', 'init-path'],
];
const HOST_SETTINGS = '/etc/docker/daemon.json';
const MAX_SETTINGS_BYTES = 1_048_576;

/**
 * A docker daemon of its own. Its containers ask the sink for names, and not the resolver in each network namespace that docker
 * has: it would hide which process asked.
 */
export async function createSealedDocker({
  folder,
  run,
  env,
  ipv6,
  services,
  secretFolder,
  signal,
}: SealedEngineOptions): Promise<SealedEngine> {
  const data = join(folder, 'data');
  const own: Environment = { ...env, DOCKER_HOST: SOCKET, DOCKER_CONTEXT: undefined };
  const resolver = join(folder, 'resolv.conf');
  await makeFolder(folder, 0o711);
  await writeAtomic(resolver, Buffer.from(`nameserver ${OWN_IPV4}\n`), 0o644);
  const runner = withOwnNames(withoutRules(run), { resolver, ipv6 });
  const daemon = await startDaemon(folder, { run, env: own, data, signal });
  const client = createEngineClient('docker', run, own);
  const call = (args: readonly string[], stop: AbortSignal): Promise<string> =>
    client.runChecked(args, stop, COMMAND_MS);
  const engine = createDocker({ env: own, run: runner, secretFolder });
  const names = new Map<string, string>();
  return {
    // Docker gives a network addresses of IPv6 only if it is told which.
    engine: withOpenNetworks(engine, false),
    peers: dockerPeers(services, (args) => call(args, signal)),
    containerName(id) {
      const known = names.get(id) ?? containerName(data, id);
      if (known !== undefined) names.set(id, known);
      return known ?? id;
    },
    async inspect(container, stop) {
      const text = await call(['container', 'inspect', container], stop);
      const diff = await call(['diff', container], stop);
      const written = [...diff.matchAll(/^[AC] (\/.*)$/gm)].map(([, path = '']) => path);
      return { ...containerIn(text), written };
    },
    async clear(stop) {
      const ids = (await call(['ps', '--all', '--quiet'], stop)).split('\n').filter(Boolean);
      if (ids.length > 0) await call(['rm', '--force', '--volumes', ...ids], stop);
      await daemon.stop();
    },
  };
}

/** The name of a container in the daemon's own description, which is there before its first process. */
function containerName(data: string, id: string): string | undefined {
  if (!/^[0-9a-f]{64}$/.test(id)) return undefined;
  try {
    const text = readFileSync(join(data, 'containers', id, 'config.v2.json'));
    return textOf(fieldsOf(parseJson(text))['Name'])?.replace(/^\//, '');
  } catch {
    return undefined;
  }
}

/** Gives each container the resolver and each network the addresses of the sealed network, and shows neither as drift. */
function withOwnNames(
  run: CommandRunner,
  { resolver, ipv6 }: { readonly resolver: string; readonly ipv6: boolean },
): CommandRunner {
  const mount = `type=bind,"source=${resolver.replaceAll('"', '""')}",target=${RESOLVER_FILE},readonly`;
  let networks = 0;
  return async (program, args, options) => {
    if (program !== 'docker') return run(program, args, options);
    const [verb, noun] = args;
    if (verb === 'create' && !['host', 'none'].includes(args[args.indexOf('--network') + 1] ?? ''))
      return run(program, ['create', '--mount', mount, ...args.slice(1)], options);
    if (verb === 'network' && noun === 'create' && ipv6) {
      networks += 1;
      const subnet = `fd73:746f:7761:6767:${networks.toString(16)}::/80`;
      const added = ['--ipv6', '--subnet', subnet];
      return run(program, ['network', 'create', ...added, ...args.slice(2)], options);
    }
    const result = await run(program, args, options);
    const inspected = verb === 'container' && noun === 'inspect' && result.status === 0;
    return inspected ? { ...result, stdout: withoutResolver(result.stdout) } : result;
  };
}

function withoutResolver(printed: string): string {
  const containers = listOf(parseJson(Buffer.from(printed))).map((each) => ({
    ...each,
    Mounts: listOf(each['Mounts']).filter(({ Destination }) => Destination !== RESOLVER_FILE),
  }));
  return JSON.stringify(containers);
}

/** Answers with the addresses of the service on a network of the container that asks. */
function dockerPeers(
  services: readonly string[],
  call: (args: readonly string[]) => Promise<string>,
): PeerNames {
  const lines = async (args: readonly string[]): Promise<string[]> =>
    (await call(args)).split('\n').filter((line) => line !== '');
  return {
    has: (name) => services.includes(name),
    async answer(query, question, source) {
      try {
        const label = `label=${labels.service}=${question.name}`;
        const ids = await lines(['ps', '--quiet', '--no-trunc', '--filter', label]);
        const networks = await lines(['network', 'ls', '--quiet', '--filter', 'driver=bridge']);
        const found = await call(['network', 'inspect', ...networks]);
        return writeAnswer(query, question, addressesBeside(source, ids, found));
      } catch (error) {
        if (error instanceof StowageError) return undefined;
        throw error;
      }
    },
    close: () => undefined,
  };
}

/**
 * The addresses of a container on a network that has the source of a question too.
 * @param networks as `docker network inspect` prints them
 */
export function addressesBeside(
  source: string,
  ids: readonly string[],
  networks: string,
): DnsAddresses {
  for (const { Containers } of listOf(parseJson(Buffer.from(networks)))) {
    const members = Object.entries(fieldsOf(Containers)).map(([id, each]) => {
      const { IPv4Address, IPv6Address } = fieldsOf(each);
      return { id, ipv4: plain(IPv4Address), ipv6: plain(IPv6Address) };
    });
    if (!members.some(({ ipv4, ipv6 }) => [ipv4, ipv6].includes(source))) continue;
    const peer = members.find(({ id }) => ids.includes(id));
    if (peer === undefined) continue;
    return {
      ...(isIPv4(peer.ipv4) ? { a: Buffer.from(peer.ipv4.split('.').map(Number)) } : {}),
      ...(isIPv6(peer.ipv6) ? { aaaa: Buffer.from(ipv6Hex(peer.ipv6), 'hex') } : {}),
    };
  }
  return {};
}

function plain(address: unknown): string {
  return (textOf(address) ?? '').replace(/\/.*$/, '');
}

interface Daemon {
  stop(): Promise<void>;
}

/** @throws StowageError `engine-failed` */
async function startDaemon(
  folder: string,
  {
    run,
    env,
    data,
    signal,
  }: {
    readonly run: CommandRunner;
    readonly env: Environment;
    readonly data: string;
    readonly signal: AbortSignal;
  },
): Promise<Daemon> {
  const settings = join(folder, 'daemon.json');
  await writeAtomic(
    settings,
    Buffer.from(JSON.stringify(daemonSettings(await hostSettings(), data))),
  );
  const ended = new AbortController();
  let status: number | undefined;
  let said = '';
  const args = ['--config-file', settings];
  const daemon = run('dockerd', args, {
    env,
    signal: ended.signal,
    timeoutMs: UNLIMITED_MS,
  }).then(
    (result) => {
      ({ status } = result);
      said = result.stderr;
    },
    (error: unknown) => {
      status = -1;
      said = messageOf(error);
    },
  );
  const stop = async (): Promise<void> => {
    ended.abort();
    await Promise.race([daemon, sleep(STOP_MS, undefined, { ref: false })]);
  };
  const failed = (found: string): StowageError =>
    new StowageError('engine-failed', 'the docker daemon of the rehearsal did not start', {
      expected: 'a daemon that answers',
      found,
      hint: 'check that "dockerd" of this host starts with its settings in /etc/docker/daemon.json; or rehearse with --target podman',
    });
  try {
    for (let waited = 0; ; waited += LOOK_MS) {
      if (status !== undefined) throw failed(said.trim().split('\n').slice(-4).join('\n'));
      const asked = await run('docker', ['version'], { env, signal, timeoutMs: COMMAND_MS });
      if (asked.status === 0) break;
      if (waited > START_MS) throw failed(oneLine(asked.stderr, 1000));
      await sleep(LOOK_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

function daemonSettings(host: Fields, data: string): Fields {
  const kept = Object.entries(host).filter(([name]) => KEPT_SETTINGS.includes(name));
  return {
    ...Object.fromEntries(kept),
    'data-root': data,
    'exec-root': join(RUN_FOLDER, 'docker'),
    pidfile: join(RUN_FOLDER, 'docker.pid'),
    hosts: [SOCKET],
    // Docker's proxy would connect to containers from outside of them.
    'userland-proxy': false,
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
    ip6tables: false,
    'live-restore': false,
  };
}

/** @throws StowageError `engine-failed` for a file that docker itself would not read */
async function hostSettings(): Promise<Fields> {
  const bytes = await readIfThere(HOST_SETTINGS, MAX_SETTINGS_BYTES);
  if (bytes === undefined) return {};
  try {
    return fieldsOf(parseJson(bytes));
  } catch (cause) {
    throw new StowageError('engine-failed', 'the settings of docker cannot be read', {
      expected: 'JSON',
      found: `${HOST_SETTINGS}: ${messageOf(cause)}`,
      hint: 'correct the file, then run the same command again',
      cause,
    });
  }
}
