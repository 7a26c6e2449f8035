import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readIndexes } from '../../bundle/read-index.ts';
import type { Context } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Rehearsal } from '../../format/rehearsal.ts';
import { createContainerTarget } from '../../target/container/container-target.ts';
import { type Environment, runCommand } from '../../target/host/command.ts';
import { createSealedDocker } from '../../target/sealed/sealed-docker.ts';
import type { InspectedContainer, SealedEngine } from '../../target/sealed/sealed-engine.ts';
import { type SealedNetwork, sealNetwork, type Tried } from '../../target/sealed/sealed-network.ts';
import { createSealedPodman } from '../../target/sealed/sealed-podman.ts';
import type { SealedTarget } from '../../target/sealed/sealed-process.ts';
import { openSink, type Sink } from '../../target/sealed/sink.ts';
import { install } from '../applying/change-release.ts';
import type { SiteContext } from '../site-folder.ts';
import { attemptsOf, type Evidence } from './attempts.ts';
import { type Inspected, serviceFacts, unseenOf } from './facts.ts';
import { rehearsalDocument } from './rehearsal-document.ts';
import { runRelease } from './run-release.ts';
import { makeThrowawaySite, type RehearsalValues, signedAbove } from './throwaway-site.ts';
import { watchContainers } from './watch.ts';

export interface RehearseOptions extends Context {
  readonly env: Environment;
  /** An empty folder with room for the bundle and its images. */
  readonly work: string;
  readonly target: SealedTarget;
  /** Whether this is root of a user namespace, whom a user of this host started. */
  readonly unprivileged: boolean;
  /** How long to watch the services after the last question, in seconds. */
  readonly watchSeconds: number;
  readonly values: RehearsalValues;
}

const engines = { podman: createSealedPodman, docker: createSealedDocker } as const;
/** How often what the kernel noted is read, so that its time is known. */
const READ_MS = 1_000;

/**
 * Installs a bundle at a throw-away site, asks it what its gates and evaluations ask, and says what it tried to reach. The network
 * namespace of this process must have no interfaces but loopback, and `/run/containers` must be private.
 * @param folders of the bundle, which need not be signed; nothing is written there
 * @throws StowageError `host-unfit`, `engine-failed`, and what import and planning throw; what a gate or an evaluation finds is in
 * the result
 */
export async function rehearse(
  folders: readonly string[],
  options: RehearseOptions,
): Promise<Rehearsal> {
  const { env, work, signal, now, values, unprivileged } = options;
  const { bundle } = await readIndexes(folders);
  requireServices(bundle);
  if (unprivileged) await requireUsers();
  const network = await sealNetwork(runCommand, env, signal);
  const sealed = await engines[options.target]({
    ...{ folder: join(work, 'engine'), secretFolder: join(work, 'site', 'secrets') },
    ...{ run: runCommand, env, signal, ipv6: network.ipv6, unprivileged },
    services: bundle.services.map(({ name }) => name),
  });
  const { peers, containerName } = sealed;
  const sink = await openSink({ peers, containerName, ipv6: network.ipv6, now });
  const watch = await watchContainers({ containerName, controlGroups: !unprivileged });
  const kernel = readKernel(network, options);
  try {
    const above = await signedAbove(folders, work, { run: runCommand, env, signal, now: now() });
    const site = await makeThrowawaySite(work, bundle, {
      ...{ ...values, unprivileged },
      target: options.target,
    });
    const target = createContainerTarget(sealed.engine);
    const context: SiteContext = { ...options, site, target };
    const { folders: signed, trust } = above;
    const ran = await runRelease(
      () => install(signed, { ...context, trust }),
      context,
      options.watchSeconds,
    );
    const prefix = `stowage-${await site.id()}-${bundle.name}-`;
    const inspected = await inspectAll(bundle, prefix, sealed, signal);
    const { containers, peakMemoryBytes } = await watch.stop();
    const attempts = attemptsOf(
      evidenceOf({ tried: await kernel.stop(), sink, inspected, prefix, bundle }),
    );
    const { engine, version } = await sealed.engine.probe(signal);
    const services = bundle.services.map((each) =>
      serviceFacts(each.name, {
        ran,
        inspected,
        watched: containers.get(`${prefix}${each.name}`),
      }),
    );
    const rehearsed = {
      ...{ ran, attempts, services, peakMemoryBytes, target: options.target },
      engine: { name: engine, version, rootless: unprivileged },
      unseen: unseenOf(bundle, { ran, ipv6: network.ipv6, sink, unprivileged }),
    };
    return rehearsalDocument(bundle, rehearsed, now());
  } finally {
    await watch.stop();
    await kernel.stop().catch(() => undefined);
    // Also after an interrupt.
    await sealed.clear(AbortSignal.timeout(60_000)).catch(() => undefined);
    await sink.close();
  }
}

/** @throws StowageError `rehearsal-unsupported` */
export function requireServices({ name, version, services }: Bundle): void {
  if (services.length > 0) return;
  throw new StowageError('rehearsal-unsupported', `${name} ${version} has nothing to rehearse`, {
    expected: 'a release with services',
    found: 'none',
    hint: 'a bundle without services needs no rehearsal; charts and objects of a cluster cannot be rehearsed',
  });
}

/** Services run as users of their own. @throws StowageError `host-unfit` */
async function requireUsers(): Promise<void> {
  const ids = (await readFile('/proc/self/uid_map', 'utf8')).trim().split('\n');
  if (ids.length > 1) return;
  throw new StowageError('host-unfit', 'this user has no subordinate ids for a rehearsal', {
    expected: 'a range of ids for this user in /etc/subuid and in /etc/subgid',
    found: 'none',
    hint: 'as root, run "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER", or run the rehearsal as root',
  });
}

type Noted = Tried & { readonly at: Date };

/** Reads what the kernel noted once a second, so that each connection has a time. */
function readKernel(
  network: SealedNetwork,
  { signal, now }: Pick<Context, 'signal' | 'now'>,
): { stop(): Promise<readonly Noted[]> } {
  const noted = new Map<string, Noted>();
  const ended = new AbortController();
  const read = async (): Promise<void> => {
    for (const each of await network.tried(signal)) {
      const { protocol, source, sourcePort, address, port } = each;
      const key = [protocol, source, sourcePort, address, port].join(' ');
      if (!noted.has(key)) noted.set(key, { ...each, at: now() });
    }
  };
  const done = (async () => {
    while (!ended.signal.aborted) {
      await read();
      await sleep(READ_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    }
    await read();
  })();
  done.catch(() => undefined);
  return {
    async stop() {
      ended.abort();
      await done;
      return [...noted.values()];
    },
  };
}

async function inspectAll(
  bundle: Bundle,
  prefix: string,
  sealed: SealedEngine,
  signal: AbortSignal,
): Promise<Inspected> {
  const inspected = new Map<string, InspectedContainer>();
  for (const { name } of bundle.services) {
    // After a failed gate there are no containers.
    const found = await sealed.inspect(`${prefix}${name}`, signal).catch((error: unknown) => {
      if (error instanceof StowageError && error.code === 'engine-failed') return undefined;
      throw error;
    });
    if (found !== undefined) inspected.set(name, found);
  }
  return inspected;
}

function evidenceOf({
  tried,
  sink,
  inspected,
  prefix,
  bundle,
}: {
  readonly tried: readonly Noted[];
  readonly sink: Sink;
  readonly inspected: Inspected;
  readonly prefix: string;
  readonly bundle: Bundle;
}): Evidence {
  const { all: seen } = sink.seen();
  const names = new Set(bundle.services.map(({ name }) => name));
  const serviceOf = (container: string): string | undefined => {
    const name = container.startsWith(prefix) ? container.slice(prefix.length) : '';
    return names.has(name) ? name : undefined;
  };
  const places = new Map<string, string>();
  const note = (address: string, service: string | undefined): void => {
    if (service !== undefined) places.set(address, service);
  };
  for (const { source, container } of seen) note(source, container && serviceOf(container));
  for (const [name, { addresses }] of inspected) for (const each of addresses) note(each, name);
  const own = new Set(
    Object.values(networkInterfaces()).flatMap((list = []) => list.map(({ address }) => address)),
  );
  for (const each of resolvers()) own.add(each);
  return {
    ...{ tried, seen, own, serviceOf },
    nameOf: (address) => sink.nameOf(address),
    serviceAt: (address) => places.get(address),
    known: bundle.knownEgress ?? [],
  };
}

/** The resolvers of this host, which containers on its network ask. */
function resolvers(): string[] {
  try {
    const text = readFileSync('/etc/resolv.conf', 'utf8');
    return [...text.matchAll(/^nameserver\s+(\S+)/gm)].map(([, address = '']) => address);
  } catch {
    return [];
  }
}
