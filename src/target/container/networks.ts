import { StowageError } from '../../core/error.ts';
import { type Json, parseJson } from '../../core/json.ts';
import type { RenderedNetwork } from '../../format/containers.ts';
import type { EgressRules } from '../host/egress-rules.ts';
import { labels } from './container-arguments.ts';
import type { NewNetwork } from './engine.ts';
import type { EngineClient } from './engine-client.ts';

/** A network as podman and docker describe it, in their two spellings. */
interface Found {
  readonly internal?: boolean;
  readonly Internal?: boolean;
  readonly labels?: Readonly<Record<string, string>> | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  /** Podman only. */
  readonly network_interface?: string;
  /** Docker only. */
  readonly Id?: string;
  readonly Options?: Readonly<Record<string, string>> | null;
}

const DOCKER_BRIDGE = 'com.docker.network.bridge.name';
const DOCKER_ID_DIGITS = 12;

/**
 * See {@link ContainerEngine.createNetwork}. Podman and docker take the same arguments.
 * @param rules the rules of the host, which a network that leads outside gets before a container joins it
 */
export async function createNetwork(
  engine: EngineClient,
  network: NewNetwork,
  rules: EgressRules,
  signal: AbortSignal,
): Promise<void> {
  const found = await findNetwork(engine, network.name, signal);
  if (found !== undefined && !isOurs(found, network)) throw notOurs(engine, network, found);
  const kept = found !== undefined && isInternal(found) === network.internal;
  if (found !== undefined && !kept)
    await engine.runChecked(['network', 'rm', network.name], signal);
  if (!kept) await engine.runChecked(creation(engine, network), signal);
  const { name, egress } = network;
  if (egress === undefined) return;
  const bridge = bridgeOf(kept ? found : await findNetwork(engine, name, signal));
  if (bridge === undefined) throw withoutBridge(engine, name);
  await rules.apply({ name, bridge, egress }, signal);
}

function creation(engine: EngineClient, network: NewNetwork): string[] {
  const internal = network.internal ? ['--internal'] : [];
  const ipv6 = network.ipv6 === true ? ['--ipv6'] : [];
  // Podman's resolver on the network would ask that of the host. Names of peers are resolved on the internal network.
  const names =
    engine.program === 'podman' && network.egress !== undefined ? ['--disable-dns'] : [];
  const options = [...internal, ...ipv6, ...names, ...labelsOf(network)];
  return ['network', 'create', ...options, network.name];
}

/**
 * See {@link ContainerEngine.removeNetwork}. A network of another owner stays.
 * @returns the bridge of the network that was removed, if the engine names it
 */
export async function removeNetwork(
  engine: EngineClient,
  network: RenderedNetwork,
  rules: EgressRules,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await findNetwork(engine, network.name, signal);
  if (found !== undefined && !isOurs(found, network)) return undefined;
  if (found !== undefined) await engine.runChecked(['network', 'rm', network.name], signal);
  if (!network.internal) await rules.remove(network.name, signal);
  return found?.network_interface;
}

function isInternal(found: Found): boolean {
  return found.internal ?? found.Internal ?? false;
}

/** Docker names the bridge after the id of its network. */
function bridgeOf(found: Found | undefined): string | undefined {
  if (found?.network_interface !== undefined) return found.network_interface;
  const id = found?.Id;
  return (
    found?.Options?.[DOCKER_BRIDGE] ??
    (id === undefined ? undefined : `br-${id.slice(0, DOCKER_ID_DIGITS)}`)
  );
}

function withoutBridge({ program }: EngineClient, name: string): StowageError {
  return new StowageError('engine-failed', `network ${name} has no bridge`, {
    expected: `the interface of the network in "${program} network inspect ${name}"`,
    found: 'none',
    hint: `set the default network driver of ${program} to bridge, then run the same command again`,
  });
}

async function findNetwork(
  engine: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<Found | undefined> {
  // A list, because inspect does not distinguish a network that does not exist from a broken engine.
  const list = ['network', 'ls', '--filter', `name=^${name}$`, '--format', '{{.Name}}'];
  const names = (await engine.runChecked(list, signal)).split('\n');
  if (!names.includes(name)) return undefined;
  const answer = parseJson(
    Buffer.from(await engine.runChecked(['network', 'inspect', name], signal)),
  );
  const [found] = answer as readonly Json[];
  return found as Found | undefined;
}

function labelsOf({ site, release }: RenderedNetwork): string[] {
  const owner = site === undefined ? [] : ['--label', `${labels.site}=${site}`];
  return [...owner, '--label', `${labels.release}=${release}`];
}

function isOurs(found: Found, { site, release }: RenderedNetwork): boolean {
  const { [labels.site]: owner, [labels.release]: made } = found.labels ?? found.Labels ?? {};
  return owner === site && made === release;
}

function notOurs(engine: EngineClient, network: RenderedNetwork, found: Found): StowageError {
  const made = Object.entries(found.labels ?? found.Labels ?? {}).map((each) => each.join('='));
  return new StowageError('engine-failed', `network ${network.name} belongs to another owner`, {
    expected: `no network of this name, or one with the labels ${labelsOf(network)
      .filter((each) => each !== '--label')
      .join(' and ')}`,
    found: made.length === 0 ? 'a network without labels' : `a network labeled ${made.join(', ')}`,
    hint: `see what uses it with "${engine.program} network inspect ${network.name}", remove it if it is not needed, and run the same command again`,
  });
}
