import type { RenderedNetwork } from '../format/generation.ts';
import type { PodmanClient } from './podman-client.ts';

/** See {@link Target.createNetwork}. */
export async function createNetwork(
  podman: PodmanClient,
  network: RenderedNetwork,
  signal: AbortSignal,
): Promise<void> {
  const { status } = await podman.ask(['network', 'exists', network.name], signal);
  if (status === 0) return;
  const internal = network.internal ? ['--internal'] : [];
  await podman.must(['network', 'create', ...internal, network.name], signal);
}

/** See {@link Target.removeNetwork}. */
export async function removeNetwork(
  podman: PodmanClient,
  network: RenderedNetwork,
  signal: AbortSignal,
): Promise<void> {
  const { status } = await podman.ask(['network', 'exists', network.name], signal);
  if (status === 0) await podman.must(['network', 'rm', network.name], signal);
}
