import type { EngineClient } from '../container/engine-client.ts';

/** Whether podman keeps a secret of this name. */
export async function hasSecret(
  podman: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  // A list, because inspecting fails alike for a secret that is not there and for an engine that is broken.
  const names = await podman.must(['secret', 'ls', '--format', '{{.Name}}'], signal);
  return names.split('\n').some((each) => each.trim() === name);
}

/**
 * See {@link Target.placeSecret}: the value goes through a pipe, in one write ({@link MAX_SECRET_BYTES}), so that a
 * command that is killed leaves the whole secret or, because podman refuses an empty one, none.
 */
export async function placeSecret(
  podman: EngineClient,
  name: string,
  value: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  if (await hasSecret(podman, name, signal)) return;
  await podman.give(['secret', 'create', name, '-'], value, signal);
}

export async function removeSecret(
  podman: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  if (await hasSecret(podman, name, signal)) await podman.must(['secret', 'rm', name], signal);
}
