import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import { expectCode } from '../support/error.ts';
import { ask, Store } from './fixture.ts';

const LARGE = 64 * 1024 * 1024;
const store = new Store();
const open: Depot[] = [];

async function start(port = 0, graceMs = 5_000): Promise<Depot> {
  const depot = await startDepot(store, { address: '127.0.0.1', port, graceMs });
  open.push(depot);
  return depot;
}

function port(depot: Depot): number {
  return Number(depot.host.split(':')[1]);
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((depot) => depot.close()));
  store.remove();
});

describe('when the depot starts', () => {
  it('reports its address', async () => {
    const depot = await start();
    expect(depot.host).toMatch(/^127\.0\.0\.1:[0-9]+$/);
    expect((await ask(depot.host, '/v2/')).status).toBe(200);
  });

  it('refuses a port in use', async () => {
    const depot = await start();
    const error = await expectCode(() => start(port(depot)), 'host-unfit');
    expect(error.found).toBe('the port is in use');
  });

  it('answers 404 outside its APIs', async () => {
    const depot = await start();
    for (const path of ['/v1/', '/v2x', '/etc/passwd', '//v2/'])
      expect((await ask(depot.host, path)).status).toBe(404);
  });
});

describe('when requests are hostile', () => {
  it.each([
    ['a huge header', `GET /v2/ HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['no HTTP', '\x16\x03\x01\x02\x00\x01\r\n\r\n', 400],
    [
      'a proxy request',
      'GET http://other/v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      404,
    ],
  ])('answers %s and goes on', async (_, text, status) => {
    const depot = await start();
    const socket = connect(port(depot), '127.0.0.1');
    socket.write(text);
    const [reply] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    expect(reply.toString()).toContain(`HTTP/1.1 ${status}`);
    expect((await ask(depot.host, '/v2/')).status).toBe(200);
  });
});

describe('when the depot is closed', () => {
  it('closes idle connections and those without a request immediately', async () => {
    const depot = await start(0, 2 ** 30);
    const silent = connect(port(depot), '127.0.0.1');
    const waiting = connect(port(depot), '127.0.0.1');
    await Promise.all([once(silent, 'connect'), once(waiting, 'connect')]);
    waiting.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(waiting, 'data');
    const ended = Promise.all([once(silent, 'close'), once(waiting, 'close')]);
    await depot.close();
    await ended;
    await expect(ask(depot.host, '/v2/')).rejects.toThrow('ECONNREFUSED');
  });

  it('finishes a response in progress', async () => {
    const large = new Store();
    try {
      const digest = large.add(Buffer.alloc(LARGE, 7));
      const blobs = new Map([[digest, LARGE]]);
      large.entries.push({ repository: 'a', tags: {}, manifests: new Map(), blobs });
      const depot = await startDepot(large, { address: '127.0.0.1', port: 0 });
      const socket = connect(port(depot), '127.0.0.1');
      socket.write(`GET /v2/a/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await once(socket, 'readable');
      const closed = depot.close();
      let bytes = 0;
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      await Promise.all([once(socket, 'end'), closed]);
      expect(bytes).toBeGreaterThan(LARGE);
    } finally {
      large.remove();
    }
  });

  it('can be closed twice', async () => {
    const depot = await start();
    await Promise.all([depot.close(), depot.close()]);
  });
});
