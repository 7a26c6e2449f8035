import type { PodmanClient } from './podman-client.ts';

export async function hasSecret(
  podman: PodmanClient,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { status } = await podman.ask(['secret', 'inspect', name], signal);
  return status === 0;
}

/** See {@link Target.placeSecret}: the value goes through a pipe. */
export async function placeSecret(
  podman: PodmanClient,
  name: string,
  value: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  if (await hasSecret(podman, name, signal)) return;
  await podman.give(['secret', 'create', name, '-'], value, signal);
}

export async function removeSecret(
  podman: PodmanClient,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  if (await hasSecret(podman, name, signal)) await podman.must(['secret', 'rm', name], signal);
}
