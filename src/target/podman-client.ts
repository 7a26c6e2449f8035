import {
  type CommandResult,
  type CommandRunner,
  commandFailure,
  type Environment,
} from './command.ts';

/** How long podman may take for what touches no image and no container's life. */
const QUICK_MS = 60_000;

/** Calls podman with the environment of this host. */
export interface PodmanClient {
  /** The result, whatever its status. */
  ask(args: readonly string[], signal: AbortSignal, timeoutMs?: number): Promise<CommandResult>;
  /** What it printed. @throws StowageError `engine-failed` when the status is not 0 */
  must(args: readonly string[], signal: AbortSignal, timeoutMs?: number): Promise<string>;
  /** Like `must`, with bytes to read; neither they nor what podman answers is in any error. */
  give(args: readonly string[], bytes: Uint8Array, signal: AbortSignal): Promise<void>;
}

export function createPodmanClient(run: CommandRunner, env: Environment): PodmanClient {
  // A socket to notify is meant for us: podman would announce the container's readiness as ours.
  const own = { ...env, NOTIFY_SOCKET: undefined };
  const ask: PodmanClient['ask'] = (args, signal, timeoutMs = QUICK_MS) =>
    run('podman', args, { env: own, signal, timeoutMs });
  return {
    ask,
    async must(args, signal, timeoutMs) {
      const result = await ask(args, signal, timeoutMs);
      if (result.status !== 0) throw commandFailure('podman', args, result);
      return result.stdout;
    },
    async give(args, stdin, signal) {
      const result = await run('podman', args, { env: own, signal, timeoutMs: QUICK_MS, stdin });
      if (result.status !== 0) throw commandFailure('podman', args, { ...result, stderr: '' });
    },
  };
}
