import { StowageError } from '../../core/error.ts';
import { parseJson } from '../../core/json.ts';
import { MAX_SECRET_BYTES } from '../../core/limits.ts';
import {
  type CommandResult,
  type CommandRunner,
  commandFailure,
  type Environment,
  follow,
} from '../host/command.ts';
import { INSIDE_SECONDS, type RanInside, TIMED_OUT } from '../target.ts';

/** For commands that neither transfer an image nor start or stop a container. */
const QUICK_MS = 60_000;
/** How many lines of a program's output are kept. */
const KEPT_LINES = 8;

/** Podman reads only from a pipe, and Node gives its children sockets. */
const THROUGH_A_PIPE = 'cat | "$0" "$@"';

/** Calls a container engine's program with the environment of this host. */
export interface EngineClient {
  readonly program: 'podman' | 'docker';
  /** Any exit status is a result. */
  run(args: readonly string[], signal: AbortSignal, timeoutMs?: number): Promise<CommandResult>;
  /** Returns stdout. @throws StowageError `engine-failed` when the status is not 0 */
  runChecked(args: readonly string[], signal: AbortSignal, timeoutMs?: number): Promise<string>;
  /** Passes on what the program writes until it ends or the signal is aborted. */
  follow(
    args: readonly string[],
    write: (bytes: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Like `runChecked`, with bytes on stdin. Errors contain neither those bytes nor the engine's output. */
  runWithInput(args: readonly string[], bytes: Uint8Array, signal: AbortSignal): Promise<void>;
}

export function createEngineClient(
  program: EngineClient['program'],
  runner: CommandRunner,
  env: Environment,
): EngineClient {
  // With our NOTIFY_SOCKET, podman would announce the container's readiness as ours.
  const own = { ...env, NOTIFY_SOCKET: undefined };
  const run: EngineClient['run'] = (args, signal, timeoutMs = QUICK_MS) =>
    runner(program, args, { env: own, signal, timeoutMs });
  return {
    program,
    run,
    async runChecked(args, signal, timeoutMs) {
      const result = await run(args, signal, timeoutMs);
      if (result.status !== 0) throw commandFailure(program, args, result);
      return result.stdout;
    },
    follow: (args, write, signal) => follow(runner, [program, ...args], own, { write, signal }),
    async runWithInput(args, stdin, signal) {
      const options = { env: own, signal, timeoutMs: QUICK_MS, stdin };
      const result = await runner('sh', ['-c', THROUGH_A_PIPE, program, ...args], options);
      if (result.status !== 0) throw commandFailure(program, args, { ...result, stderr: '' });
    },
  };
}

/**
 * What `info` prints; empty if it is not JSON. Unlike `version`, `info` opens the image store and looks for the runtime.
 * @param unfit makes the error for a host without this engine
 * @throws StowageError the error of `unfit`, or `engine-failed` when the engine does not work
 */
export async function engineInfo<T extends object>(
  engine: EngineClient,
  signal: AbortSignal,
  unfit: (found: string, cause: unknown) => StowageError,
): Promise<Partial<T>> {
  const text = await engine
    .runChecked(['info', '--format', '{{json .}}'], signal)
    .catch((cause: unknown) => {
      throw cause instanceof StowageError && cause.code === 'host-unfit'
        ? unfit('none', cause)
        : cause;
    });
  try {
    return parseJson(Buffer.from(text)) as Partial<T>;
  } catch {
    return {};
  }
}

/** A header of a tar archive (POSIX, pax Interchange Format): the size of the file is in octal digits at this place. */
const TAR_HEADER = 512;
const TAR_SIZE = { from: 124, to: 135 };

/**
 * See {@link ContainerEngine.readInside}. Podman and docker take the same arguments, also for a container without any program
 * but its own, and write an archive with the one file.
 * @throws StowageError `interrupted`, `host-unfit`
 */
export async function readInside(
  engine: EngineClient,
  container: string,
  path: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const { status, stdout } = await engine.run(['cp', `${container}:${path}`, '-'], signal);
  const size = Number.parseInt(stdout.slice(TAR_SIZE.from, TAR_SIZE.to), 8);
  if (status !== 0 || !(size > 0 && size <= MAX_SECRET_BYTES)) return undefined;
  return Buffer.from(stdout.slice(TAR_HEADER, TAR_HEADER + size));
}

/** Whether `MAJOR.MINOR...` is this version or a newer one. */
export function isAtLeast(version: string, oldest: readonly [number, number]): boolean {
  const [, major = '0', minor = '0'] = /^([0-9]+)\.([0-9]+)/.exec(version) ?? [];
  return Number(major) > oldest[0] || (Number(major) === oldest[0] && Number(minor) >= oldest[1]);
}

/**
 * See {@link ContainerEngine.runInside}. Podman and docker take the same arguments.
 * @throws StowageError `interrupted`, `host-unfit`
 */
export async function runInside(
  engine: EngineClient,
  container: string,
  command: readonly string[],
  signal: AbortSignal,
): Promise<RanInside> {
  const limit = AbortSignal.timeout(INSIDE_SECONDS * 1000);
  try {
    const args = ['exec', container, ...command];
    const { status, stdout, stderr } = await engine.run(args, AbortSignal.any([signal, limit]));
    const lines = (stdout + stderr).trim().split('\n');
    return { status, output: lines.slice(-KEPT_LINES).join('\n') };
  } catch (error) {
    const late = limit.aborted && !signal.aborted;
    if (!late || !(error instanceof StowageError) || error.code !== 'interrupted') throw error;
    return { status: TIMED_OUT, output: `did not end within ${INSIDE_SECONDS} seconds` };
  }
}
