import { once } from 'node:events';
import { capture, end, type Output, type RunOptions, run, start } from './process.ts';
import { type Relay, relay } from './relay.ts';

/** A network namespace with nothing in it but loopback, which lasts until it is destroyed. */
export interface AirGap {
  /** The command that enters it: put it before a command and its arguments. */
  readonly enter: readonly string[];
  run(command: string, args: readonly string[], options?: RunOptions): Promise<Output>;
  /** Makes a port of this process's loopback one of the namespace's loopback too, as it would be on one host. */
  reach(port: number): Promise<void>;
  destroy(): Promise<void>;
}

export interface AirGapOptions {
  /**
   * Whether `/run/containers` is private as well: all engines of podman on a machine keep their networks' names
   * there, also those that share nothing else. Mounts made inside are seen inside only.
   */
  readonly ownRun?: boolean;
}

const OWN_RUN = 'mkdir -p /run/containers && mount -t tmpfs tmpfs /run/containers &&';

/** What was seen when something inside tried to get out. */
export interface Refusals {
  /** The error of a connection to 192.0.2.1 (TEST-NET-1, RFC 5737). */
  readonly connect: string;
  /** The error of asking the configured name servers for a name. */
  readonly lookup: string;
}

/** Runs one command in a fresh namespace with only loopback up. Needs root. */
export async function runWithoutNetwork(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Output> {
  return capture('unshare', unshared('exec "$@"', command, ...args), options);
}

/**
 * Makes a namespace for several commands over time. A waiting process holds it, which ends with this
 * one at the latest; whatever was started inside and still runs keeps it alive.
 */
export async function airGap(options: AirGapOptions = {}): Promise<AirGap> {
  const { ownRun = false } = options;
  const hold = `${ownRun ? OWN_RUN : ''} echo up && exec cat`;
  const spaces = ownRun ? ['--mount', '--propagation', 'private'] : [];
  const holder = await start('unshare', [...spaces, ...unshared(hold)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // an interrupt at the terminal must not take the namespace from a clean-up
  });
  const gone = once(holder, 'exit').then(() => {
    throw new Error('no network namespace: this needs root');
  });
  if (holder.stdout === null) throw new Error('the holder of the namespace has no output');
  await Promise.race([once(holder.stdout, 'data'), gone]);
  gone.catch(() => {});
  holder.unref();
  const mounts = ownRun ? [`--mount=/proc/${holder.pid}/ns/mnt`] : [];
  const enter = ['nsenter', `--net=/proc/${holder.pid}/ns/net`, ...mounts] as const;
  const [program, ...before] = enter;
  const relays: Relay[] = [];
  return {
    enter,
    run: (command, args, options) => capture(program, [...before, command, ...args], options),
    reach: async (port) => {
      relays.push(await relay(enter, port));
    },
    destroy: async () => {
      for (const each of relays) await each.close();
      holder.ref();
      await end(holder, 'SIGKILL');
    },
  };
}

/**
 * Proves that nothing behind `enter` reaches a network, and that this is not because nothing works
 * there at all: loopback does. @throws Error naming what got out
 */
export async function assertNoWayOut(enter: readonly string[]): Promise<Refusals> {
  const [command = process.execPath, ...before] = [...enter, process.execPath];
  const output = await run(command, [...before, '--input-type=module', '--eval', ATTEMPTS]);
  const { loopback, connect, lookup } = JSON.parse(output) as Record<string, string>;
  if (loopback !== 'ok') throw new Error(`loopback does not work behind the gap: ${loopback}`);
  if (connect !== 'ENETUNREACH') throw new Error(`a connection to the outside gave ${connect}`);
  if (lookup === undefined || lookup === 'ok') throw new Error('a name was resolved from inside');
  return { connect, lookup };
}

// Names are asked for over sockets of the namespace: the C library might reach a resolver outside through a file.
const ATTEMPTS = `
import { Resolver } from 'node:dns/promises';
import { connect, createServer } from 'node:net';
const attempt = (host, port) => new Promise((settle) => {
  const socket = connect({ host, port, timeout: 3000 });
  const done = (result) => { socket.destroy(); settle(result); };
  socket.on('connect', () => done('ok')).on('timeout', () => done('timeout')).on('error', (error) => done(error.code));
});
const server = createServer().listen(0, '127.0.0.1', async () => {
  const loopback = await attempt('127.0.0.1', server.address().port);
  const outside = await attempt('192.0.2.1', 443);
  const lookup = await new Resolver({ timeout: 1000, tries: 1 }).resolve4('example.com').then(() => 'ok', (error) => error.code);
  console.log(JSON.stringify({ loopback, connect: outside, lookup }));
  server.close();
});`;

function unshared(then: string, ...args: readonly string[]): string[] {
  return ['--net', 'sh', '-c', `ip link set lo up && ${then}`, 'sh', ...args];
}
