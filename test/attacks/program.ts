import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const main: string = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface Ran {
  readonly status: number;
  readonly stderr: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
  readonly json: any;
}

export interface Surroundings {
  readonly env?: NodeJS.ProcessEnv;
  /** Flags of Node's own. */
  readonly flags?: readonly string[];
}

/** Runs the program from its source, in a process of its own, with `--json`. */
export async function program(args: readonly string[], around: Surroundings = {}): Promise<Ran> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const argv = [...(around.flags ?? []), main, ...args, '--json'];
  const child = spawn(process.execPath, argv, {
    env: { ...env, ...around.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.setEncoding('utf8').on('data', (text: string) => void out.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void err.push(text));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status: status ?? -1, stderr: err.join(''), json: parse(out.join('')) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
