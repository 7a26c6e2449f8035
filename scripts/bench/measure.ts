import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const project: string = fileURLToPath(new URL('../..', import.meta.url));

export interface Measured {
  readonly seconds: number;
  /** User and system time of the program and of the children it waited for. */
  readonly cpuSeconds: number;
  /** The most memory resident at once, in MiB. */
  readonly peakMib: number;
}

/** Runs a program to its end and measures it. @throws Error with what it wrote when it fails */
export async function measure(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Measured> {
  const start = performance.now();
  const before = cpuOfChildren();
  const child = spawn(command, [...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4096);
    });
  }
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, peakOf(child.pid));
  }, 20);
  const [status] = (await once(child, 'close')) as [number | null];
  clearInterval(watch);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${said}`);
  return {
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: cpuOfChildren() - before,
    peakMib: peak / 1024,
  };
}

/** Runs `stowage` as it was built. */
export async function measureStowage(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Measured> {
  return measure(`${project}/node_modules/.bin/node`, [`${project}/dist/main.js`, ...args], env);
}

/** Runs each of several things in turns, a few times, and gives the median time of each. */
export async function inTurns<K extends string>(
  times: number,
  runs: Readonly<Record<K, () => Promise<Measured>>>,
): Promise<Record<K, Measured>> {
  const all: Partial<Record<K, Measured[]>> = {};
  for (let round = 0; round < times; round++) {
    for (const key of Object.keys(runs) as K[]) {
      const list = all[key] ?? [];
      list.push(await runs[key]());
      all[key] = list;
    }
  }
  const entries = (Object.keys(runs) as K[]).map((key) => [key, median(all[key] ?? [])] as const);
  return Object.fromEntries(entries) as Record<K, Measured>;
}

function median(list: readonly Measured[]): Measured {
  const middle = (figures: readonly number[]): number =>
    figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0;
  return {
    seconds: middle(list.map((each) => each.seconds)),
    cpuSeconds: middle(list.map((each) => each.cpuSeconds)),
    peakMib: Math.max(...list.map((each) => each.peakMib)),
  };
}

function peakOf(pid: number | undefined): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Seconds of processor time of all children that have ended, in the hundredths in which Linux counts them. */
function cpuOfChildren(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[13]) + Number(fields[14])) / 100;
}
