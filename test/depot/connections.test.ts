import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Digest } from '../../src/core/digest.ts';
import { MIB } from '../../src/core/limits.ts';
import { type ConnectionLimits, connectionLimits, peerOf } from '../../src/depot/connections.ts';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import { ask, Store } from './fixture.ts';

const SIZE = 32 * MIB;
let store: Store;
let depot: Depot | undefined;
let large: Digest;
let sockets: Socket[];

beforeEach(() => {
  store = new Store();
  sockets = [];
  large = store.add('small');
  writeFileSync(store.blobPath(large), Buffer.alloc(SIZE));
  const blobs = new Map([[large, SIZE]]);
  store.entries.push({ repository: 'a/b', tags: {}, manifests: new Map(), blobs });
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await depot?.close();
  store.remove();
});

async function open(
  limits: Partial<ConnectionLimits> = {},
  onAnswer: (line: string) => void = () => {},
): Promise<string> {
  depot = await startDepot(store, {
    ...{ address: '127.0.0.1', port: 0, graceMs: 100 },
    limits: { ...connectionLimits, ...limits },
    onAnswer,
  });
  return depot.host;
}

/** A client that reads nothing until it is resumed. */
async function client(host: string, from = '127.0.0.1'): Promise<Socket> {
  const port = Number(host.split(':')[1]);
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => {}).pause();
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

const get = (): string => `GET /v2/a/b/blobs/${large} HTTP/1.1\r\nHost: d\r\n\r\n`;

/** How many descriptors of this process are files of the store. */
async function openFiles(): Promise<number> {
  const names = await readdir('/proc/self/fd');
  const targets = await Promise.all(
    names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')),
  );
  return targets.filter((target) => target.startsWith(store.folder)).length;
}

/** Resolves when a client that reads what it gets was disconnected. */
async function disconnected(socket: Socket): Promise<void> {
  socket.resume();
  // Not `once`, which an error before the end would reject.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

describe('when a client pipelines requests and reads nothing', () => {
  it('opens one file, and answers others', async () => {
    const host = await open();
    const hostile = await client(host);
    hostile.write(get().repeat(40));
    await expect.poll(openFiles).toBe(1);
    expect((await ask(host, '/healthz')).status).toBe(200);
    expect(await openFiles()).toBe(1);
  });

  it('disconnects one that sends more than may be held beyond its first request', async () => {
    const host = await open({ heldBytes: 2000 });
    const hostile = await client(host);
    hostile.write(get().repeat(40));
    await disconnected(hostile);
    expect((await ask(host, '/healthz')).status).toBe(200);
    await expect.poll(openFiles).toBe(0);
  });

  it('parses no request before the response to the one before it', async () => {
    const lines: string[] = [];
    const host = await open({}, (line) => lines.push(line));
    const hostile = await client(host);
    hostile.write(`${get()}GET /healthz HTTP/1.1\r\nHost: d\r\nBad header\r\n\r\n`);
    await expect.poll(openFiles).toBe(1);
    expect(hostile.closed).toBe(false);
    await disconnected(hostile);
    expect(lines).toHaveLength(1);
  });
});

/** What a client receives for some bytes, sent in pieces of `size`. */
async function receive(socket: Socket, text: string, size: number): Promise<string> {
  let received = '';
  socket.setNoDelay().on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1');
  });
  for (let at = 0; at < text.length; at += size) {
    socket.write(text.slice(at, at + size));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await disconnected(socket);
  return received;
}

const health = (more = ''): string => `GET /healthz HTTP/1.1\r\nHost: d\r\n${more}\r\n`;
const post = (body: string): string =>
  `POST /api/models/a/b/paths-info/main HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n` +
  `Content-Length: ${body.length}\r\n\r\n${body}`;
const last = health('Connection: close\r\n');

const pipelines: readonly (readonly [string, string, number])[] = [
  ['three requests', health() + health() + last, 3],
  ['empty lines between requests', `${health()}\r\n\r\n${health()}${last}`, 3],
  ['a body with empty lines, then a request', post('{"a":\r\n\r\n\n\n1}') + last, 2],
  ['two bodies', post('{}') + post('[]') + last, 3],
  ['forty requests', health().repeat(39) + last, 40],
];

describe('when a client pipelines requests and reads the responses', () => {
  it.each(
    pipelines.flatMap(([name, text, count]) =>
      [1, 7, 100_000].map((size) => [name, size, text, count] as const),
    ),
  )('answers %s in order, sent in pieces of %i bytes', async (_, size, text, count) => {
    const received = await receive(await client(await open()), text, size);
    expect(received.match(/HTTP\/1\.1 \d+/g)).toHaveLength(count);
    expect(received.endsWith('ok\n')).toBe(true);
  });
});

describe('when one peer opens many connections', () => {
  it('closes its longest idle connection for a new one, and none of another peer', async () => {
    const host = await open({ perPeer: 3 });
    const other = await client(host, '127.0.0.2');
    const idle: Socket[] = [];
    for (let count = 0; count < 4; count += 1) idle.push(await client(host));
    await disconnected(idle[0] as Socket);
    expect((await ask(host, '/healthz')).status).toBe(200);
    await disconnected(idle[1] as Socket);
    expect(idle.slice(2).map((each) => each.closed)).toEqual([false, false]);
    expect(other.closed).toBe(false);
  });

  it('refuses further ones of a peer that replaces too many, and keeps those that it has', async () => {
    const host = await open({ perPeer: 2, replacements: 0 });
    const first = [await client(host, '127.0.0.2'), await client(host, '127.0.0.2')];
    for (const _ of 'abcdef') await disconnected(await client(host, '127.0.0.2'));
    expect((await ask(host, '/healthz')).status).toBe(200);
    expect(first.map((each) => each.resume().closed)).toEqual([false, false]);
    first[0]?.destroy();
    await expect
      .poll(async () => {
        const next = await client(host, '127.0.0.2');
        next.write('GET /healthz HTTP/1.1\r\nHost: d\r\n\r\n');
        const answer = once(next, 'data').then(([bytes]) => String(bytes).slice(0, 15));
        next.resume();
        return Promise.race([answer, once(next, 'close').then(() => 'closed')]).catch(
          () => 'reset',
        );
      })
      .toBe('HTTP/1.1 200 OK');
  });

  it('accepts the first connection of a peer, however many peers are replaced', async () => {
    const host = await open({ total: 3, replacements: 0 });
    for (const last of [2, 3, 4]) await client(host, `127.0.0.${last}`);
    for (const last of [2, 3, 4]) await disconnected(await client(host, `127.0.0.${last}`));
    expect((await ask(host, '/healthz')).status).toBe(200);
  });

  it('keeps answers in progress, and closes the new connection instead', async () => {
    const host = await open({ perPeer: 2 });
    const busy = [await client(host), await client(host)];
    for (const each of busy) each.write(get());
    await expect.poll(openFiles).toBe(2);
    await disconnected(await client(host));
    expect(busy.map((each) => each.closed)).toEqual([false, false]);
  });

  it('closes an idle connection of the peer with the most where there are too many in all', async () => {
    const host = await open({ total: 4 });
    const many: Socket[] = [];
    for (let count = 0; count < 3; count += 1) many.push(await client(host));
    const other = await client(host, '127.0.0.2');
    const third = await client(host, '127.0.0.3');
    await disconnected(many[0] as Socket);
    expect([other.closed, third.closed]).toEqual([false, false]);
  });

  it('ends the newest response of the peer with the most for a peer that has fewer', async () => {
    const host = await open({ total: 2 });
    const busy = [await client(host), await client(host)];
    for (const each of busy) each.write(get());
    await expect.poll(openFiles).toBe(2);
    const other = await client(host, '127.0.0.2');
    await expect.poll(openFiles).toBe(1);
    expect(other.closed).toBe(false);
  });
});

describe('when a connection exceeded a limit', () => {
  /** Whether a new connection is answered. */
  async function isAnswered(host: string, from: string): Promise<boolean> {
    const socket = await client(host, from);
    const answer = once(socket, 'data').then(() => true);
    socket.resume().write(health());
    const closed = new Promise<boolean>((resolve) => socket.once('close', () => resolve(false)));
    return Promise.race([answer.catch(() => false), closed]);
  }

  it('refuses the next ones of a peer that sent too many requests, and answers others', async () => {
    const host = await open({ replacements: 0, heldBytes: 2000 });
    const hostile = await client(host, '127.0.0.2');
    hostile.write(get().repeat(40));
    await disconnected(hostile);
    expect(await isAnswered(host, '127.0.0.2')).toBe(false);
    expect(await isAnswered(host, '127.0.0.3')).toBe(true);
  });

  it('refuses the next ones of a peer that read too slowly, and answers others', async () => {
    const host = await open({ replacements: 0, checkMs: 20, checks: 3 });
    const hostile = await client(host, '127.0.0.2');
    hostile.write(get());
    await expect.poll(openFiles).toBe(1);
    await expect.poll(openFiles).toBe(0);
    expect(await isAnswered(host, '127.0.0.2')).toBe(false);
    expect(await isAnswered(host, '127.0.0.3')).toBe(true);
  });

  it('accepts as many of that peer as may replace others', async () => {
    const host = await open({ replacements: 1000, heldBytes: 2000 });
    const hostile = await client(host, '127.0.0.2');
    hostile.write(get().repeat(40));
    await disconnected(hostile);
    expect(await isAnswered(host, '127.0.0.2')).toBe(true);
  });

  it('accepts them again later', async () => {
    const host = await open({ replacements: 0, heldBytes: 2000, offenderMs: 30 });
    const hostile = await client(host, '127.0.0.2');
    hostile.write(get().repeat(40));
    await disconnected(hostile);
    await expect.poll(() => isAnswered(host, '127.0.0.2')).toBe(true);
  });

  it('remembers only so many peers', async () => {
    const host = await open({ replacements: 0, heldBytes: 2000, offenders: 1 });
    for (const from of ['127.0.0.2', '127.0.0.3']) {
      const hostile = await client(host, from);
      hostile.write(get().repeat(40));
      await disconnected(hostile);
    }
    expect(await isAnswered(host, '127.0.0.2')).toBe(false);
    expect(await isAnswered(host, '127.0.0.3')).toBe(true);
  });
});

describe('when a client reads a response too slowly', () => {
  it('disconnects it, and closes the file', async () => {
    const host = await open({ checkMs: 20, checks: 3 });
    const slow = await client(host);
    slow.write(get());
    await expect.poll(openFiles).toBe(1);
    await expect.poll(openFiles).toBe(0);
    await disconnected(slow);
  });

  it('makes room for a new connection with a stalled one', async () => {
    const host = await open({ perPeer: 1, checkMs: 20, checks: 1_000_000 });
    const slow = await client(host);
    slow.write(get());
    await expect
      .poll(async () => (await ask(host, '/healthz').catch(() => undefined))?.status)
      .toBe(200);
    await disconnected(slow);
  });
});

const peers: readonly (readonly [string, string])[] = [
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['::1', '0:0:0:0'],
];

describe('when peers are told apart', () => {
  it.each(peers)('counts %s as %s', (address, peer) => {
    expect(peerOf(address)).toBe(peer);
  });
});
