import { createServer, type Server, type Socket } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted, StowageError } from '../../../core/error.ts';
import { fieldsOf, listOf, textOf } from '../../../core/json.ts';
import { INSIDE_SECONDS, type OpenEndpoint, type RanInside, TIMED_OUT } from '../../target.ts';
import type { Cluster } from './cluster.ts';
import { socketConfig } from './connection.ts';
import { clientLibrary } from './load-client.ts';
import { refusedHandshake } from './refused-handshake.ts';

/** A port of a pod. */
export interface PodPort {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

const LOOPBACK = '127.0.0.1';

/**
 * A port on loopback that leads to a port of a pod, through the API server. A connection that the pod or the API server ends, ends. One
 * that never reached the pod is noted as an outage.
 * @throws StowageError `engine-failed` when this host has no free port
 */
export async function forwardTo(
  { connection, outages }: Pick<Cluster, 'connection' | 'outages'>,
  { namespace, pod, port }: PodPort,
): Promise<OpenEndpoint> {
  const { PortForward } = await clientLibrary();
  const forward = new PortForward(socketConfig(connection));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const began = performance.now();
    let reached = false;
    socket.on('close', () => {
      sockets.delete(socket);
      if (!reached) outages.failed(began, `no connection to pod ${namespace}/${pod}`);
    });
    socket.on('error', () => socket.destroy());
    const failures = new PassThrough().on('data', () => socket.destroy());
    forward.portForward(namespace, pod, [port], socket, failures, socket).then(
      (opened) => {
        reached = true;
        if (typeof opened === 'function') return;
        opened.onclose = () => socket.end();
        // Not closed by a handshake, which a lost node would not answer.
        if (socket.destroyed) opened.terminate();
        else socket.on('close', () => opened.terminate());
      },
      (error: unknown) => {
        const { status, reason } = refusedHandshake(error);
        // A pod that is gone does not answer, and no connection will change that.
        if (status !== 404 && !reached) outages.failed(began, reason);
        reached = true;
        socket.destroy();
      },
    );
  });
  const address = await listen(server);
  return {
    ...address,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

function listen(server: Server): Promise<{ address: string; port: number }> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new StowageError('engine-failed', 'this host has no free port for a port-forward', {
          expected: `a free port on ${LOOPBACK}`,
          found: cause.message,
          hint: 'check which programs hold ports of this host',
          cause,
        }),
      );
    });
    server.listen({ host: LOOPBACK, port: 0 }, () => {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port was given');
      resolve({ address: LOOPBACK, port: address.port });
    });
  });
}

export interface InPod {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
}

const MAX_OUTPUT = 64 * 1024;

/**
 * Runs a program in a container of a pod. That the API server does not start it is noted as an outage.
 * @throws StowageError `engine-failed`, `interrupted`
 */
export async function runInPod(
  { connection, outages }: Pick<Cluster, 'connection' | 'outages'>,
  { namespace, pod, container, command }: InPod,
  signal: AbortSignal,
): Promise<RanInside> {
  const { Exec } = await clientLibrary();
  const exec = new Exec(socketConfig(connection));
  const output: Buffer[] = [];
  let size = 0;
  const sink = (): Writable =>
    new Writable({
      write(chunk: Buffer, _, done) {
        size += chunk.length;
        if (size <= MAX_OUTPUT) output.push(chunk);
        done();
      },
    });
  const said = (): string => Buffer.concat(output).toString('utf8').trimEnd();
  let ended: (status: number) => void = () => {};
  const status = new Promise<number>((resolve) => {
    ended = resolve;
  });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(INSIDE_SECONDS * 1000)]);
  const late = sleep(INSIDE_SECONDS * 2000, undefined, { signal: limit }).catch(() => undefined);
  try {
    const began = performance.now();
    const opened = exec.exec(
      ...([namespace, pod, container, command.slice()] as [string, string, string, string[]]),
      ...([sink(), sink(), null, false] as const),
      (result) => ended(exitStatus(result)),
    );
    const socket = await opened.catch((error: unknown) => {
      const { status: answered, reason } = refusedHandshake(error);
      if (answered !== 404) outages.failed(began, reason);
      throw new Error(reason, { cause: error });
    });
    socket.on('close', () => ended(-1));
    try {
      const found = await Promise.race([status, late]);
      if (found === undefined && signal.aborted) throw interrupted(signal);
      return { status: found ?? TIMED_OUT, output: said() };
    } finally {
      socket.terminate();
    }
  } catch (cause) {
    if (cause instanceof StowageError) throw cause;
    throw new StowageError('engine-failed', `cannot run a program in pod ${namespace}/${pod}`, {
      expected: 'the right to create pods/exec, and a running container',
      found: cause instanceof Error ? cause.message : String(cause),
      hint: 'check the pod with kubectl, and that the account may create pods/exec',
      cause,
    });
  }
}

/** From the `Status` object at the end of an exec. */
function exitStatus(result: unknown): number {
  const { status, details } = fieldsOf(result);
  if (status === 'Success') return 0;
  const code = listOf(fieldsOf(details)['causes']).find((each) => each['reason'] === 'ExitCode');
  return Number(textOf(code?.['message']) ?? '-1');
}
