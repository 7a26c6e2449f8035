import { join } from 'node:path';
import { fieldsOf, listOf, parseJson, textsOf } from '../../core/json.ts';
import type { ContainerEngine } from '../container/engine.ts';
import { type CommandRunner, commandFailure, type Environment } from '../host/command.ts';
import { createPodman } from '../podman/podman.ts';

/** Podman with storage, state and networks of its own. */
export interface SealedPodman {
  readonly engine: ContainerEngine;
  /** The addresses of a container, and the files in it that were added or changed outside of its mounts. */
  inspect(container: string, signal: AbortSignal): Promise<InspectedContainer>;
  /** Removes all containers, so that their control groups and mounts go. */
  clear(signal: AbortSignal): Promise<void>;
}

export interface InspectedContainer {
  readonly addresses: readonly string[];
  /** On this host, while it runs. */
  readonly pid?: number;
  readonly written: readonly string[];
}

/** Of the private `/run/containers` of the rehearsal: sockets lie in it, whose paths must be short. */
const RUN_FOLDER = '/run/containers';
const COMMAND_MS = 120_000;

/**
 * An engine whose containers share nothing with those of this host's podman. Its networks lead to the sink instead of nowhere, so that
 * what a service tries can be seen.
 */
export function createSealedPodman(
  folder: string,
  { run, env, ipv6 }: { run: CommandRunner; env: Environment; ipv6: boolean },
): SealedPodman {
  const global = [
    ...['--root', join(folder, 'storage'), '--runroot', join(RUN_FOLDER, 'storage')],
    ...['--tmpdir', join(RUN_FOLDER, 'libpod'), '--volumepath', join(folder, 'volumes')],
    ...['--network-config-dir', join(folder, 'networks')],
    ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
  ];
  const own: CommandRunner = async (program, args, options) => {
    // The rules that restrict networks at a site would hide what a service tries: nothing leaves the sealed network without them.
    if (program === 'nft')
      return { status: 1, stdout: '', stderr: 'a rehearsal restricts nothing' };
    return run(program, program === 'podman' ? [...global, ...args] : args, options);
  };
  const engine = createPodman({ env, run: own, systemd: false });
  const call = async (args: readonly string[], signal: AbortSignal): Promise<string> => {
    const result = await own('podman', args, { env, signal, timeoutMs: COMMAND_MS });
    if (result.status !== 0) throw commandFailure('podman', args, result);
    return result.stdout;
  };
  return {
    engine: {
      ...engine,
      createNetwork: ({ egress: _, ...network }, signal) =>
        engine.createNetwork({ ...network, internal: false, ipv6 }, signal),
    },
    async inspect(container, signal) {
      const text = await call(['container', 'inspect', container], signal);
      const [found] = listOf(parseJson(Buffer.from(text)));
      const { State, NetworkSettings } = found ?? {};
      const networks = Object.values(fieldsOf(fieldsOf(NetworkSettings)['Networks'])).map(fieldsOf);
      const addresses = networks
        .flatMap(({ IPAddress, GlobalIPv6Address }) => [IPAddress, GlobalIPv6Address])
        .filter((each): each is string => typeof each === 'string' && each !== '');
      const pid = fieldsOf(State)['Pid'];
      const diff = fieldsOf(
        parseJson(Buffer.from(await call(['diff', '--format', 'json', container], signal))),
      );
      return {
        addresses,
        ...(typeof pid === 'number' && pid > 0 ? { pid } : {}),
        written: [...textsOf(diff['added']), ...textsOf(diff['changed'])],
      };
    },
    async clear(signal) {
      await call(['rm', '--all', '--force', '--time', '0'], signal);
    },
  };
}
