import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Environment } from '../core/context.ts';
import { interrupted, StowageError } from '../core/error.ts';
import { MIB } from '../core/limits.ts';

const MAX_SAID_CHARACTERS = 16_384;
const WATCH_MS = 100;
const NOWHERE = 'http://127.0.0.1:9';

/** What a program that renders text may use. It gets no network settings, no home folder and no other variable. */
export interface Confinement {
  /** The only folder that it has: its working directory, home and temporary folder. */
  readonly folder: string;
  /** Of this process; only `PATH` is passed on. */
  readonly env: Environment;
  /** Further variables of the program. */
  readonly variables?: Environment;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
  readonly maxMemoryBytes: number;
}

export interface Rendering {
  readonly status: number | null;
  readonly output: string;
  /** The end of its standard error. */
  readonly said: string;
}

/**
 * Runs a program that renders text, within limits on time, memory and output.
 * @throws StowageError `source-unsupported` if it cannot be started, `content-refused` above a limit, `interrupted`
 */
export async function runConfined(
  program: string,
  args: readonly string[],
  confinement: Confinement,
): Promise<Rendering> {
  const { folder, env, signal, timeoutMs, maxOutputBytes, maxMemoryBytes } = confinement;
  if (signal.aborted) throw interrupted(signal);
  const child = spawn(program, args, {
    cwd: folder,
    env: {
      PATH: env['PATH'] ?? '/usr/bin:/bin',
      ...{ HOME: folder, TMPDIR: folder, XDG_CACHE_HOME: folder, XDG_CONFIG_HOME: folder },
      ...{ XDG_DATA_HOME: folder, LC_ALL: 'C', KUBECONFIG: '/dev/null' },
      // Nothing listens there: what a program would fetch fails at once.
      ...{ HTTP_PROXY: NOWHERE, HTTPS_PROXY: NOWHERE, ALL_PROXY: NOWHERE },
      GOMEMLIMIT: String(Math.floor(maxMemoryBytes * 0.8)),
      ...confinement.variables,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stopped: StowageError | undefined;
  const stop = (reason: StowageError): void => {
    stopped ??= reason;
    child.kill('SIGKILL');
  };
  const exceeds = (what: string, limit: string): StowageError =>
    new StowageError('content-refused', `${program} exceeds the limit on ${what}`, {
      expected: `at most ${limit}`,
      found: 'more',
      hint: 'look for a template that loops or repeats text; what it renders must fit into the limit',
    });
  const onAbort = (): void => stop(interrupted(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => {
    stop(exceeds('time', `${timeoutMs / 1000} seconds`));
  }, timeoutMs);
  const watch = setInterval(() => {
    residentBytes(child.pid).then((bytes) => {
      if (bytes > maxMemoryBytes) stop(exceeds('memory', `${maxMemoryBytes / MIB} MiB`));
    });
  }, WATCH_MS);
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxOutputBytes) stop(exceeds('output', `${maxOutputBytes / MIB} MiB`));
    else chunks.push(chunk);
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-MAX_SAID_CHARACTERS);
  });
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', (cause) => reject(missing(program, cause)));
      child.on('close', resolve);
    });
    if (stopped !== undefined) throw stopped;
    return { status, output: Buffer.concat(chunks).toString('utf8'), said };
  } finally {
    clearTimeout(timer);
    clearInterval(watch);
    signal.removeEventListener('abort', onAbort);
  }
}

/** proc_pid_status(5); 0 when the process has ended, and where there is no such file. */
async function residentBytes(pid: number | undefined): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'latin1');
    return Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function missing(program: string, cause: unknown): StowageError {
  return new StowageError('source-unsupported', `${program} cannot be started`, {
    expected: `the program ${program}`,
    found: `no working ${program} in PATH`,
    hint: `install ${program} on this machine; sites do not need it`,
    cause,
  });
}
