import type { EngineClient } from '../container/engine-client.ts';

/** Whether podman has a secret of this name. */
export async function hasSecret(
  podman: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  // A list, because inspect does not distinguish a secret that does not exist from a broken engine.
  const names = await podman.runChecked(['secret', 'ls', '--format', '{{.Name}}'], signal);
  return names.split('\n').some((each) => each.trim() === name);
}

/**
 * See {@link ContainerEngine.placeSecret}: the value goes through a pipe, in one write ({@link MAX_SECRET_BYTES}), so a
 * killed command leaves the whole secret or none: podman refuses an empty one.
 */
export async function placeSecret(
  podman: EngineClient,
  name: string,
  value: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  if (await hasSecret(podman, name, signal)) return;
  await podman.runWithInput(['secret', 'create', name, '-'], value, signal);
}

export async function removeSecret(
  podman: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  if (await hasSecret(podman, name, signal))
    await podman.runChecked(['secret', 'rm', name], signal);
}
