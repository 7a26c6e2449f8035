import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { end, START_SECONDS, start, until } from '../process.ts';

/** A program of the cluster that stays: its output lies in `log/NAME` of the cluster's folder. */
export interface Daemon {
  readonly child: ChildProcess;
  /** What it wrote so far. */
  log(): string;
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
  /** Whether it is started again when it ends by itself, as systemd does with a kubelet. */
  readonly restart?: boolean;
}

const RESTART_MS = 1_000;

export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { name, folder, programs, enter = [], command, restart = false } = options;
  mkdirSync(join(folder, 'log'), { recursive: true });
  const file = join(folder, 'log', name);
  // The kernel ends it with its parent, however that ends.
  const args = ['--pdeathsig=KILL', ...enter, ...command];
  const run = (): Promise<ChildProcess> => {
    const output = openSync(file, 'a');
    return start('setpriv', args, {
      stdio: ['ignore', output, output],
      env: { PATH: `${programs}:${process.env['PATH']}:/usr/sbin:/sbin` },
    }).finally(() => closeSync(output));
  };
  const log = (): string => readFileSync(file, 'utf8');
  let child = await run();
  let stopped = false;
  let restarting: Promise<void> | undefined;
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const again = (): void => {
    child.once('exit', () => {
      restarting = delay(RESTART_MS).then(async () => {
        if (stopped) return;
        child = await run();
        again();
      });
    });
  };
  if (restart) again();
  return {
    get child() {
      return child;
    },
    log,
    ready: async (ask) => {
      try {
        await until(`the start of ${name}`, START_SECONDS, async () => {
          if (ended()) throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}`);
          return (await ask()) || undefined;
        });
      } catch (error) {
        throw new Error(`${name} does not run: ${log().slice(-4000)}`, { cause: error });
      }
    },
    stop: async (signal) => {
      stopped = true;
      await restarting;
      await end(child, signal);
    },
  };
}
