import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A line between a client and a server that breaks. */
export interface BreakingLine {
  /** `127.0.0.1:PORT`, which leads to the server. */
  readonly host: string;
  /** Bytes that came from the server and were handed on, heads included. */
  readonly carried: number;
  /** How often it broke. */
  readonly breaks: number;
  stop(): Promise<void>;
}

/**
 * Carries TCP to `host:port` on this machine, and cuts every connection whenever another `everyBytes` were carried from
 * there, whichever connection they came over.
 */
export async function breakingLine(
  port: number,
  everyBytes: number = Number.POSITIVE_INFINITY,
): Promise<BreakingLine> {
  const state = { carried: 0, breaks: 0, since: 0 };
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    const cut = (): void => {
      // Ends after what was handed on, as a line does whose far end has it already.
      client.destroySoon();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', cut).on('close', () => {
        open.delete(socket);
        cut();
      });
    }
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      if (client.destroyed || client.writableEnded) return;
      state.carried += chunk.length;
      state.since += chunk.length;
      if (!client.write(chunk)) {
        upstream.pause();
        client.once('drain', () => upstream.resume());
      }
      if (state.since < everyBytes) return;
      state.since = 0;
      state.breaks += 1;
      for (const socket of [...open]) {
        if (socket.writableLength === 0) socket.destroy();
        else socket.destroySoon();
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get carried() {
      return state.carried;
    },
    get breaks() {
      return state.breaks;
    },
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
