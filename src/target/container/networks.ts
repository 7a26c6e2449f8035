import { StowageError } from '../../core/error.ts';
import { type Json, parseJson } from '../../core/json.ts';
import type { RenderedNetwork } from '../../format/containers.ts';
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
}

/** See {@link ContainerEngine.createNetwork}. Podman and docker take the same arguments. */
export async function createNetwork(
  engine: EngineClient,
  network: NewNetwork,
  signal: AbortSignal,
): Promise<void> {
  const found = await findNetwork(engine, network.name, signal);
  if (found !== undefined) {
    if (!isOurs(found, network)) throw notOurs(engine, network, found);
    if ((found.internal ?? found.Internal ?? false) === network.internal) return;
    await engine.runChecked(['network', 'rm', network.name], signal);
  }
  const internal = network.internal ? ['--internal'] : [];
  const ipv6 = network.ipv6 === true ? ['--ipv6'] : [];
  const create = ['network', 'create', ...internal, ...ipv6, ...labelsOf(network), network.name];
  await engine.runChecked(create, signal);
}

/**
 * See {@link ContainerEngine.removeNetwork}. A network of another owner stays.
 * @returns the bridge of the network that was removed, if the engine names it
 */
export async function removeNetwork(
  engine: EngineClient,
  network: RenderedNetwork,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await findNetwork(engine, network.name, signal);
  if (found === undefined || !isOurs(found, network)) return undefined;
  await engine.runChecked(['network', 'rm', network.name], signal);
  return found.network_interface;
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
