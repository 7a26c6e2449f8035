import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { type Interruption, interrupted, StowageError, systemCode } from '../../core/error.ts';
import { MIB } from '../../core/limits.ts';

/** The environment of a program; undefined leaves a variable out. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface CommandOptions {
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** The input of the program; none when absent. */
  readonly stdin?: string | Uint8Array;
  /** Keeps the input open: the program can tell by its end that this process is gone, however that ended. */
  readonly holdInput?: boolean;
  /** Receives what the program writes to stdout and stderr, as it does so. */
  readonly onOutput?: (bytes: Uint8Array) => void;
}

export interface CommandResult {
  readonly status: number;
  /** The last 8 MiB at most; of stderr likewise. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, without a shell. */
export type CommandRunner = (
  program: string,
  args: readonly string[],
  options: CommandOptions,
) => Promise<CommandResult>;

const MAX_OUTPUT_BYTES = 8 * MIB;
/** For a program that runs until it is stopped: the longest time that a timer of Node can wait. */
export const UNLIMITED_MS: number = 2 ** 31 - 1;
const KILL_AFTER_MS = 5_000;
/** How long to wait for output that a daemon left behind by the program keeps open. */
const DRAIN_MS = 1_000;
const REPORTED_LINES = 8;

/**
 * Any exit status is a result.
 * @throws StowageError `host-unfit` when there is no such program, `interrupted` when the signal was aborted,
 * `engine-failed` when the program took too long or was killed
 */
export const runCommand: CommandRunner = async (program, args, options) => {
  if (options.signal.aborted) throw interrupted(options.signal, whileRunning(program));
  const input = options.stdin !== undefined || options.holdInput === true ? 'pipe' : 'ignore';
  const stdio = [input, 'pipe', 'pipe'] as const;
  const child = spawn(program, [...args], { env: { ...options.env }, stdio: [...stdio] });
  const ended = new Promise<{ status: number | null; by: string | null }>((resolve, reject) => {
    child.once('error', (cause) => reject(unstartable(program, cause)));
    child.once('close', (status, by) => resolve({ status, by }));
    child.once('exit', (status, by) => {
      setTimeout(() => resolve({ status, by }), DRAIN_MS).unref();
    });
  });
  const { stdin, stdout, stderr } = child as ChildProcessByStdio<
    Writable | null,
    Readable,
    Readable
  >;
  const out = keepTail(stdout);
  const err = keepTail(stderr);
  const { onOutput } = options;
  if (onOutput !== undefined) for (const each of [stdout, stderr]) each.on('data', onOutput);
  // A program may end without reading its input: its status decides.
  stdin?.on('error', () => undefined);
  if (options.holdInput !== true) stdin?.end(options.stdin);

  let stopped: StowageError | undefined;
  let killer: NodeJS.Timeout | undefined;
  const stop = (why: StowageError): void => {
    stopped ??= why;
    child.kill('SIGTERM');
    killer ??= setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  };
  const abort = (): void => stop(interrupted(options.signal, whileRunning(program)));
  const timer = setTimeout(
    () => stop(tooSlow(program, args, options.timeoutMs)),
    options.timeoutMs,
  );
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    const { status, by } = await ended;
    if (stopped !== undefined) throw stopped;
    if (status === null) throw failed(program, args, `killed by ${by}`, err());
    return { status, stdout: out(), stderr: err() };
  } finally {
    clearTimeout(timer);
    clearTimeout(killer);
    options.signal.removeEventListener('abort', abort);
    for (const each of [stdin, stdout, stderr]) each?.destroy();
  }
};

/**
 * Runs a program and passes on what it writes, until it ends or the signal is aborted, which is not an error.
 * @throws StowageError `host-unfit`, `engine-failed`
 */
export async function follow(
  run: CommandRunner,
  [program = '', ...args]: readonly string[],
  env: Environment,
  { write, signal }: { write: (bytes: Uint8Array) => void; signal: AbortSignal },
): Promise<void> {
  try {
    const options = { env, signal, timeoutMs: UNLIMITED_MS, onOutput: write };
    const result = await run(program, args, options);
    if (result.status !== 0) throw commandFailure(program, args, result);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** The error for a result whose status is not 0. It names the subcommand, but no argument: arguments contain settings. */
export function commandFailure(
  program: string,
  args: readonly string[],
  result: CommandResult,
): StowageError {
  return failed(program, args, `exit status ${result.status}`, result.stderr);
}

function keepTail(stream: Readable): () => string {
  let chunks: Buffer[] = [];
  let bytes = 0;
  const join = (): Buffer => Buffer.concat(chunks).subarray(-MAX_OUTPUT_BYTES);
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes <= 2 * MAX_OUTPUT_BYTES) return;
    chunks = [join()];
    bytes = MAX_OUTPUT_BYTES;
  });
  return () => join().toString('utf8');
}

function failed(
  program: string,
  args: readonly string[],
  found: string,
  stderr: string,
): StowageError {
  const lines = stderr.trim().split('\n').slice(-REPORTED_LINES);
  return new StowageError('engine-failed', `${title(program, args)} failed`, {
    expected: 'exit status 0',
    found: [found, ...lines].filter((line) => line !== '').join('\n'),
    hint: `fix the problem that ${program} reports, then run the same command again`,
  });
}

function tooSlow(program: string, args: readonly string[], timeoutMs: number): StowageError {
  return new StowageError('engine-failed', `${title(program, args)} timed out`, {
    expected: `completion within ${Math.round(timeoutMs / 1000)} seconds`,
    found: 'still running',
    hint: `check that ${program} responds on this host, then run the same command again`,
  });
}

function unstartable(program: string, cause: Error): StowageError {
  return new StowageError('host-unfit', `${program} cannot be run`, {
    expected: `${program} in a folder of PATH`,
    found: systemCode(cause) ?? cause.message,
    hint: `install the package that provides ${program}`,
    cause,
  });
}

function whileRunning(program: string): Interruption {
  return { message: `interrupted while ${program} was running` };
}

function title(program: string, args: readonly string[]): string {
  const words = args.slice(0, 2).filter((each) => /^[a-z][a-z-]*$/.test(each));
  return [program, ...words].join(' ');
}

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

/** The absolute path of a program in PATH, or undefined. */
export async function programPath(name: string, env: Environment): Promise<string | undefined> {
  for (const folder of (env['PATH'] ?? DEFAULT_PATH).split(delimiter)) {
    if (!isAbsolute(folder)) continue;
    const path = join(folder, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
