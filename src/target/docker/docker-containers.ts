import { STOP_SECONDS } from '../container/container-arguments.ts';
import { containerFrom, type FoundContainer } from '../container/container-state.ts';
import type { EngineClient } from '../container/engine-client.ts';
import { mergeLog } from '../container/log-lines.ts';
import { commandFailure } from '../host/command.ts';

const REMOVE_MS: number = (STOP_SECONDS + 90) * 1000;

/** The container of this name, or undefined. */
export async function findContainer(
  docker: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<FoundContainer | undefined> {
  if (!(await containerExists(docker, name, signal))) return undefined;
  return containerFrom(await docker.runChecked(['container', 'inspect', name], signal));
}

/** Stops the container of this name and removes it with its volumes; does nothing if there is none. */
export async function removeContainer(
  docker: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  if (!(await containerExists(docker, name, signal))) return;
  // Removal alone kills at once. The container is removed even if the stop fails.
  await docker.run(['stop', '--time', String(STOP_SECONDS), name], signal, REMOVE_MS);
  const args = ['rm', '--force', '--volumes', name];
  const result = await docker.run(args, signal, REMOVE_MS);
  if (result.status !== 0 && (await containerExists(docker, name, signal)))
    throw commandFailure('docker', args, result);
}

/** The last lines of its log, stdout and stderr in the order they were written; empty when there is none. */
export async function containerLog(
  docker: EngineClient,
  name: string,
  lines: number,
  signal: AbortSignal,
): Promise<string> {
  if (!(await containerExists(docker, name, signal))) return '';
  const args = ['logs', '--timestamps', '--tail', String(lines), name];
  const result = await docker.run(args, signal);
  if (result.status !== 0) throw commandFailure('docker', args, result);
  return mergeLog(result.stdout, result.stderr, lines);
}

/** A list, because inspect does not distinguish a container that does not exist from a broken engine. */
async function containerExists(
  docker: EngineClient,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const args = ['ps', '--all', '--filter', `name=^/?${name}$`, '--format', '{{.Names}}'];
  return (await docker.runChecked(args, signal)).split('\n').includes(name);
}
