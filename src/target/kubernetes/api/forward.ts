import { createServer, type Server, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { StowageError } from '../../../core/error.ts';
import type { OpenEndpoint } from '../../target.ts';
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
