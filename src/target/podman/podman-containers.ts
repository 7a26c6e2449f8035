import { STOP_SECONDS } from '../container/container-arguments.ts';
import { containerFrom, type FoundContainer } from '../container/drift.ts';
import type { EngineClient } from '../container/engine-client.ts';
import { mergeLog } from '../container/log-lines.ts';
import { commandFailure } from '../host/command.ts';

const REMOVE_MS: number = (STOP_SECONDS + 90) * 1000;

/** The container of this name, or undefined. */
export async function findContainer(
  podman: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<FoundContainer | undefined> {
  const args = ['container', 'inspect', name];
  const result = await podman.run(args, signal);
  if (result.status === 0) return containerFrom(result.stdout);
  if (!(await containerExists(podman, name, signal))) return undefined;
  throw commandFailure('podman', args, result);
}

/**
 * Stops the container of this name and removes it with its volumes; does nothing if there is none. Also removes what a
 * podman that was killed while it created or started the container left of it, which has no labels yet.
 */
export async function removeContainer(
  podman: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  await completeStart(podman, name, signal);
  const seconds = String(STOP_SECONDS);
  const args = ['rm', '--force', '--ignore', '--volumes', '--time', seconds, name];
  const result = await podman.run(args, signal, REMOVE_MS);
  // Podman 4.3 forgets a container whose /dev/shm is still mounted, unmounts it, and fails: the next call succeeds.
  if (result.status !== 0) await podman.runChecked(args, signal, REMOVE_MS);
}

/**
 * Sets up a container again that a killed podman had begun to start. Only then does podman 4.3 know which mounts and
 * addresses to release when it removes the container; otherwise its name would go on resolving to a dead address.
 */
async function completeStart(
  podman: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const format = ['--format', '{{.State.Status}}'];
  const { status, stdout } = await podman.run(['container', 'inspect', ...format, name], signal);
  // It runs nothing of the container. Where it fails, the removal reports why.
  if (status === 0 && stdout.trim() === 'created') await podman.run(['init', name], signal);
}

/** The last lines of its log, stdout and stderr in the order they were written; empty when there is none. */
export async function containerLog(
  podman: EngineClient,
  name: string,
  lines: number,
  signal: AbortSignal,
): Promise<string> {
  // With --tail, podman 4 appends the beginning of a line that was written in pieces to the line before it.
  const args = ['logs', '--timestamps', name];
  const result = await podman.run(args, signal);
  if (result.status === 0) return mergeLog(result.stdout, result.stderr, lines);
  // A container that was never started, or no longer exists, has no log.
  if ((await findContainer(podman, name, signal))?.state.startedAt === undefined) return '';
  throw commandFailure('podman', args, result);
}

async function containerExists(
  podman: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const args = ['container', 'exists', name];
  const result = await podman.run(args, signal);
  if (result.status > 1) throw commandFailure('podman', args, result);
  return result.status === 0;
}

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
