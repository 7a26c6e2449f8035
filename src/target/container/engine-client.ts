import {
  type CommandResult,
  type CommandRunner,
  commandFailure,
  type Environment,
} from '../host/command.ts';

/** How long an engine may take for what touches no image and no container's life. */
const QUICK_MS = 60_000;

/** Podman reads from a pipe alone, and what a child of Node reads from is a socket. */
const THROUGH_A_PIPE = 'cat | "$0" "$@"';

/** Calls a container engine's program with the environment of this host. */
export interface EngineClient {
  readonly program: 'podman' | 'docker';
  /** The result, whatever its status. */
  ask(args: readonly string[], signal: AbortSignal, timeoutMs?: number): Promise<CommandResult>;
  /** What it printed. @throws StowageError `engine-failed` when the status is not 0 */
  must(args: readonly string[], signal: AbortSignal, timeoutMs?: number): Promise<string>;
  /** Like `must`, with bytes to read; neither they nor what the engine answers is in any error. */
  give(args: readonly string[], bytes: Uint8Array, signal: AbortSignal): Promise<void>;
}

export function createEngineClient(
  program: EngineClient['program'],
  run: CommandRunner,
  env: Environment,
): EngineClient {
  // A socket to notify is meant for us: podman would announce the container's readiness as ours.
  const own = { ...env, NOTIFY_SOCKET: undefined };
  const ask: EngineClient['ask'] = (args, signal, timeoutMs = QUICK_MS) =>
    run(program, args, { env: own, signal, timeoutMs });
  return {
    program,
    ask,
    async must(args, signal, timeoutMs) {
      const result = await ask(args, signal, timeoutMs);
      if (result.status !== 0) throw commandFailure(program, args, result);
      return result.stdout;
    },
    async give(args, stdin, signal) {
      const options = { env: own, signal, timeoutMs: QUICK_MS, stdin };
      const result = await run('sh', ['-c', THROUGH_A_PIPE, program, ...args], options);
      if (result.status !== 0) throw commandFailure(program, args, { ...result, stderr: '' });
    },
  };
}
