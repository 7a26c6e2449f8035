import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Way } from '../../src/target/way.ts';

/** A connection to a server that a test can break, as one through the API server of a cluster breaks. */
export interface BrokenWay extends Way {
  readonly port: number;
  /** How many connections there were. */
  readonly connections: () => number;
}

/**
 * Passes connections on to a port. From connection `first` on, it breaks: it holds them without an answer, or cuts them. Once
 * somebody waits for it, it stands again.
 */
export async function brokenWay(
  to: number,
  { first, fault }: { readonly first: number; readonly fault: 'hold' | 'cut' },
): Promise<BrokenWay> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let broken = true;
  let began: number | undefined;
  let down = 0;
  const relay = createServer((socket) => {
    connections += 1;
    sockets.add(socket.on('error', () => {}));
    if (broken && connections >= first) {
      began ??= performance.now();
      if (fault === 'cut') socket.destroy();
      return;
    }
    const there = connect(to, '127.0.0.1').on('error', () => socket.destroy());
    sockets.add(there);
    socket.pipe(there).pipe(socket);
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const each of sockets) each.destroy();
    await new Promise((resolve) => relay.close(resolve));
  });
  return {
    port: (relay.address() as AddressInfo).port,
    connections: () => connections,
    down: () => down,
    reason: () => (began === undefined ? '' : 'the relay is broken'),
    stands: async () => {
      if (began === undefined || !broken) return;
      broken = false;
      down += performance.now() - began;
    },
  };
}
