import { digestHex } from '../../core/digest.ts';
import { parseJson } from '../../core/json.ts';
import type { RenderedImage } from '../../format/containers.ts';
import {
  type ImageDefaults,
  type InspectedImage,
  imageDefaults,
} from '../container/container-settings.ts';
import { isDepotName, unexpectedImage } from '../container/depot-image.ts';
import type { EngineClient } from '../container/engine-client.ts';
import { commandFailure } from '../host/command.ts';

const PULL_MS = 6 * 3_600_000;
const REMOVE_MS = 600_000;
const FORMAT = '[{{json .Id}},{{json .RepoTags}},{{json .RepoDigests}},{{json .Config}}]';

/** An image that docker has. */
export interface DockerImage {
  /** 64 hex digits: the digest of the config, or of the manifest with containerd's image store. */
  readonly id: string;
  readonly names: readonly string[];
  readonly volumes: readonly string[];
  readonly defaults: ImageDefaults;
}

interface Config extends InspectedImage {
  readonly Volumes?: Readonly<Record<string, unknown>> | null;
}

/** The image under any name; undefined if docker does not have it. */
export async function findImage(
  docker: EngineClient,
  image: RenderedImage,
  signal: AbortSignal,
): Promise<DockerImage | undefined> {
  for (const digest of [image.config, image.manifest]) {
    const found = await inspect(docker, digest, signal);
    if (found !== undefined && found.id === digestHex(digest)) return found;
  }
  return undefined;
}

export async function hasImage(
  docker: EngineClient,
  image: RenderedImage,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await findImage(docker, image, signal);
  return found?.names.includes(image.tag) ?? false;
}

/** See {@link ContainerEngine.loadImage}. An image that the engine already has only gets its tag. */
export async function loadImage(
  docker: EngineClient,
  image: RenderedImage,
  depotHost: string,
  signal: AbortSignal,
): Promise<void> {
  if ((await findImage(docker, image, signal)) === undefined) {
    const reference = `${depotHost}/${image.repository}@${image.manifest}`;
    await docker.runChecked(['pull', '--quiet', reference], signal, PULL_MS);
    if ((await findImage(docker, image, signal)) === undefined) {
      await docker.run(['rmi', reference], signal, REMOVE_MS);
      throw unexpectedImage('docker', image, reference);
    }
  }
  const found = await findImage(docker, image, signal);
  if (found !== undefined) await docker.runChecked(['tag', found.id, image.tag], signal);
  for (const name of (await findImage(docker, image, signal))?.names ?? [])
    if (isDepotName(name, image)) await docker.runChecked(['rmi', name], signal, REMOVE_MS);
}

/** See {@link ContainerEngine.unloadImage}. */
export async function unloadImage(
  docker: EngineClient,
  image: RenderedImage,
  signal: AbortSignal,
): Promise<void> {
  const found = await findImage(docker, image, signal);
  if (found === undefined) return;
  const own = found.names.filter((name) => name === image.tag || isDepotName(name, image));
  if (own.length === found.names.length) {
    const users = ['ps', '--all', '--quiet', '--filter', `ancestor=${found.id}`];
    if ((await docker.runChecked(users, signal)).trim() !== '') return;
  }
  const names = found.names.length === 0 ? [found.id] : own;
  for (const name of names) {
    const remove = ['rmi', name];
    const result = await docker.run(remove, signal, REMOVE_MS);
    if (result.status === 0) continue;
    // Another command may have removed it in the meantime.
    if ((await findImage(docker, image, signal))?.names.includes(name) === true)
      throw commandFailure('docker', remove, result);
  }
}

async function inspect(
  docker: EngineClient,
  reference: string,
  signal: AbortSignal,
): Promise<DockerImage | undefined> {
  const args = ['image', 'inspect', '--format', FORMAT, reference];
  const result = await docker.run(args, signal);
  if (result.status !== 0) {
    if (/no such image/i.test(result.stderr)) return undefined;
    throw commandFailure('docker', args, result);
  }
  const answer = parseJson(Buffer.from(result.stdout.trim())) as unknown;
  const [id, tags, digests, config] = answer as [
    string,
    string[] | null,
    string[] | null,
    Config | null,
  ];
  return {
    id: id.replace(/^sha256:/, ''),
    names: [...(tags ?? []), ...(digests ?? [])],
    volumes: Object.keys(config?.Volumes ?? {}),
    defaults: imageDefaults(config),
  };
}
