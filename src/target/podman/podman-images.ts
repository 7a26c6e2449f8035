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

const PULL_MS = 6 * 3_600_000;
const REMOVE_MS = 600_000;
/** The status of `podman rmi` for an image that a container or another image needs (podman-rmi(1)). */
const IN_USE = 2;

/** Every name of the image with this id, or undefined if podman does not have it. */
async function namesOf(
  podman: EngineClient,
  id: string,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const args = ['images', '--all', '--no-trunc', '--filter', `id=${id}`, '--format', 'json'];
  const found = parseJson(Buffer.from(await podman.runChecked(args, signal)));
  const images = Array.isArray(found) ? (found as { Id?: string; Names?: string[] | null }[]) : [];
  const image = images.find((each) => each.Id === id);
  return image === undefined ? undefined : (image.Names ?? []);
}

/** What the image with this id sets for its containers; undefined if podman does not have it. */
export async function findDefaults(
  podman: EngineClient,
  id: string,
  signal: AbortSignal,
): Promise<ImageDefaults | undefined> {
  const args = ['image', 'inspect', '--format', '{{json .Config}}', id];
  const { status, stdout } = await podman.run(args, signal);
  if (status !== 0 || stdout.trim() === '') return undefined;
  return imageDefaults(parseJson(Buffer.from(stdout.trim())) as InspectedImage | null);
}

export async function hasImage(
  podman: EngineClient,
  image: RenderedImage,
  signal: AbortSignal,
): Promise<boolean> {
  const names = await namesOf(podman, digestHex(image.config), signal);
  return names?.includes(image.tag) ?? false;
}

/** See {@link ContainerEngine.loadImage}. An image that the engine already has only gets its tag. */
export async function loadImage(
  podman: EngineClient,
  image: RenderedImage,
  depotHost: string,
  signal: AbortSignal,
): Promise<void> {
  const id = digestHex(image.config);
  if ((await namesOf(podman, id, signal)) === undefined) {
    const reference = `${depotHost}/${image.repository}@${image.manifest}`;
    await podman.runChecked(['pull', '--quiet', '--tls-verify=false', reference], signal, PULL_MS);
    if ((await namesOf(podman, id, signal)) === undefined)
      throw unexpectedImage('podman', image, reference);
  }
  await podman.runChecked(['tag', id, image.tag], signal);
  for (const name of (await namesOf(podman, id, signal)) ?? [])
    if (isDepotName(name, image)) await podman.runChecked(['untag', id, name], signal);
}

/** See {@link ContainerEngine.unloadImage}. */
export async function unloadImage(
  podman: EngineClient,
  image: RenderedImage,
  signal: AbortSignal,
): Promise<void> {
  const id = digestHex(image.config);
  const names = await namesOf(podman, id, signal);
  if (names === undefined) return;
  const own = names.filter((name) => name === image.tag || isDepotName(name, image));
  if (own.length === names.length) {
    const users = ['ps', '--all', '--external', '--quiet', '--filter', `ancestor=${id}`];
    if ((await podman.runChecked(users, signal)).trim() !== '') return;
  }
  for (const name of own) await podman.runChecked(['untag', id, name], signal);
  if (own.length < names.length) return;
  const remove = ['rmi', id];
  const result = await podman.run(remove, signal, REMOVE_MS);
  if (result.status === 0 || result.status === IN_USE) return;
  // Another command may have removed it in the meantime.
  if ((await namesOf(podman, id, signal)) !== undefined) await podman.runChecked(remove, signal);
}
