import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { end, run, start, until } from '../lab/process.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
export const node: string = `${project}/node_modules/.bin/node`;
export const program: string = `${project}/dist/main.js`;

export interface DepotProcess {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly child: ChildProcess;
  /** The access log so far. */
  log(): string;
  /** Stops it as an operator does, and returns its exit status. */
  stop(): Promise<number | null>;
}

export interface DepotProcessOptions {
  readonly root: string;
  readonly log: string;
  readonly args?: readonly string[];
  /** Default: a free one. */
  readonly port?: number;
  /** The command that enters a network namespace, to start it there. */
  readonly through?: readonly string[];
}

/** `stowage depot` as it was built. */
export async function startDepotProcess(options: DepotProcessOptions): Promise<DepotProcess> {
  const { root, log, args = [], port = 0, through = [] } = options;
  const [command = node, ...before] = [...through, node];
  const listen = ['--listen', `127.0.0.1:${port}`, '--access-log', log];
  const child = await start(
    command,
    [...before, program, 'depot', '--root', root, ...listen, ...args],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const host = await until('the start of the depot', 30, async () => {
    if (child.exitCode !== null) throw new Error(`the depot ended: ${said}`);
    return /^serve: https?:\/\/(\S+)$/m.exec(said)?.[1];
  });
  return {
    host,
    child,
    log: () => readFileSync(log, 'utf8'),
    stop: async () => {
      await end(child);
      return child.exitCode;
    },
  };
}

/** What `stowage` prints. @throws Error when it fails */
export async function stowage(...args: readonly string[]): Promise<string> {
  return run(node, [program, ...args]);
}
