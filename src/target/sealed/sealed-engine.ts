import { fieldsOf, listOf, parseJson } from '../../core/json.ts';
import type { ContainerEngine } from '../container/engine.ts';
import type { CommandRunner, Environment } from '../host/command.ts';
import type { PeerNames } from './peer-names.ts';

/** A container engine with storage, state and networks of its own, inside the sealed network. */
export interface SealedEngine {
  readonly engine: ContainerEngine;
  /** Answers the names of services, which only the engine knows. */
  readonly peers: PeerNames;
  /** The name of a container, by what `containerOf` says of its processes. */
  containerName(container: string): string;
  /** The addresses of a container, and the files in it that were added or changed outside of its mounts. */
  inspect(container: string, signal: AbortSignal): Promise<InspectedContainer>;
  /** Removes all containers, so that their control groups and mounts go, and ends the engine. */
  clear(signal: AbortSignal): Promise<void>;
}

export interface InspectedContainer {
  readonly addresses: readonly string[];
  /** On this host, while it runs. */
  readonly pid?: number;
  readonly written: readonly string[];
}

export interface SealedEngineOptions {
  /** Of its storage. */
  readonly folder: string;
  /** Where docker's secrets are. */
  readonly secretFolder: string;
  readonly run: CommandRunner;
  readonly env: Environment;
  /** Whether there are addresses of IPv6. */
  readonly ipv6: boolean;
  /** The names of the services. */
  readonly services: readonly string[];
  /** Whether this is root of a user namespace, who has no control groups. */
  readonly unprivileged: boolean;
  readonly signal: AbortSignal;
}

/** Of the private `/run` of the rehearsal: sockets lie in it, whose paths must be short. */
export const RUN_FOLDER = '/run/containers';
export const COMMAND_MS = 120_000;

/** The rules that restrict networks at a site would hide what a service tries: nothing leaves the sealed network without them. */
export function withoutRules(run: CommandRunner): CommandRunner {
  return async (program, args, options) =>
    program === 'nft'
      ? { status: 1, stdout: '', stderr: 'a rehearsal restricts nothing' }
      : run(program, args, options);
}

/** The engine, whose networks lead to the sink instead of nowhere, so that what a service tries can be seen. */
export function withOpenNetworks(engine: ContainerEngine, ipv6: boolean): ContainerEngine {
  return {
    ...engine,
    createNetwork: ({ egress: _, ...network }, signal) =>
      engine.createNetwork({ ...network, internal: false, ipv6 }, signal),
  };
}

/** The addresses of a container, and the id of its first process, as `inspect` of podman and docker prints it. */
export function containerIn(printed: string): Omit<InspectedContainer, 'written'> {
  const [{ State, NetworkSettings } = {}] = listOf(parseJson(Buffer.from(printed)));
  const pid = fieldsOf(State)['Pid'];
  return {
    addresses: Object.values(fieldsOf(fieldsOf(NetworkSettings)['Networks']))
      .map(fieldsOf)
      .flatMap(({ IPAddress, GlobalIPv6Address }) => [IPAddress, GlobalIPv6Address])
      .filter((each): each is string => typeof each === 'string' && each !== ''),
    ...(typeof pid === 'number' && pid > 0 ? { pid } : {}),
  };
}
