import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project: string = fileURLToPath(new URL('../..', import.meta.url));

/** The result of a run of the built program. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stderr other than steps and progress: warnings, errors and anything unexpected. */
  readonly complaints: readonly string[];
  /** The parsed stdout, if it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
  readonly json: any;
  /** The peak resident memory of the process, in bytes. */
  readonly peakBytes: number;
}

export interface CliOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** The command that enters a network namespace. */
  readonly through?: readonly string[];
  /** Options of node itself, such as a module to load first. */
  readonly node?: readonly string[];
  /** Kills the program with SIGKILL. */
  readonly kill?: AbortSignal;
  /** A file that is redirected to stdin. */
  readonly stdin?: string;
  /** As a person reads it, without `--json`. */
  readonly text?: boolean;
}

/** Runs the built `stowage`, with `--json` unless its text is asked for. */
export async function stowage(options: CliOptions, ...args: readonly string[]): Promise<Ran> {
  const node = join(project, 'node_modules/.bin/node');
  const program = [node, ...(options.node ?? []), join(project, 'dist/main.js')];
  const json = options.text === true ? [] : ['--json'];
  const [command = '', ...rest] = [...(options.through ?? []), ...program, ...args, ...json];
  const input = options.stdin === undefined ? undefined : openSync(options.stdin, 'r');
  const child = spawn(command, rest, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    // A descriptor is allowed there too.
    stdio: [(input ?? 'ignore') as 'ignore', 'pipe', 'pipe'],
  });
  if (input !== undefined) closeSync(input);
  options.kill?.addEventListener('abort', () => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let peakBytes = 0;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakOf(child.pid));
  }, 50);
  const [status] = (await once(child, 'close')) as [number | null];
  clearInterval(watch);
  const lines = stderr.split('\n').filter((line) => line !== '');
  const complaints = lines.filter((line) => {
    const { type } = (parse(line) ?? {}) as { type?: string };
    return type !== 'step' && type !== 'progress';
  });
  return { status: status ?? -1, stdout, stderr, complaints, json: parse(stdout), peakBytes };
}

// nsenter becomes the program it starts, so the child is the program itself.
function peakOf(pid: number | undefined): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
