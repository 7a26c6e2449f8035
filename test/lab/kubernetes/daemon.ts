import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { end, START_SECONDS, start, until } from '../process.ts';

/** A program of the cluster that stays: its output lies in `log/NAME` of the cluster's folder. */
export interface Daemon {
  readonly child: ChildProcess;
  /** Waits until `ask` gives a value. @throws Error with the end of the daemon's log when it ends before, or too late */
  ready(ask: () => Promise<boolean>): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface DaemonOptions {
  readonly name: string;
  /** The cluster's folder. */
  readonly folder: string;
  /** Where the programs lie. */
  readonly programs: string;
  /** The command that enters a network namespace. */
  readonly enter?: readonly string[];
  readonly command: readonly string[];
}

export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { name, folder, programs, enter = [], command } = options;
  mkdirSync(join(folder, 'log'), { recursive: true });
  const file = join(folder, 'log', name);
  const log = openSync(file, 'a');
  // The kernel ends it with its parent, however that ends.
  const args = ['--pdeathsig=KILL', ...enter, ...command];
  const child = await start('setpriv', args, {
    stdio: ['ignore', log, log],
    env: { PATH: `${programs}:${process.env['PATH']}:/usr/sbin:/sbin` },
  }).finally(() => closeSync(log));
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    child,
    ready: async (ask) => {
      try {
        await until(`the start of ${name}`, START_SECONDS, async () => {
          if (ended()) throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}`);
          return (await ask()) || undefined;
        });
      } catch (error) {
        const end = readFileSync(file, 'utf8').slice(-4000);
        throw new Error(`${name} does not run: ${end}`, { cause: error });
      }
    },
    stop: (signal) => end(child, signal),
  };
}
