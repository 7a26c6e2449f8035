import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  type Connection,
  openConnection,
} from '../../../../src/target/kubernetes/api/connection.ts';
import { Outages } from '../../../../src/target/kubernetes/api/outages.ts';
import { forwardTo, runInPod } from '../../../../src/target/kubernetes/api/pod-streams.ts';
import { expectCode } from '../../../support/error.ts';

// An API server that does with a request for a WebSocket what a test asks for.
const dir = mkdtempSync(join(tmpdir(), 'forward-'));
const { signal } = new AbortController();
const held = new Set<Duplex>();
let server: Server;
let connection: Connection;
let outages: Outages;
let upgrade: (socket: Duplex, key: string) => void = () => {};

beforeAll(async () => {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-subj', '/CN=api', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', join(dir, 'key'), '-out', join(dir, 'crt')],
    ],
    { stdio: 'ignore' },
  );
  const [key, cert] = ['key', 'crt'].map((each) => readFileSync(join(dir, each)));
  server = createServer({ key, cert }).on('upgrade', ({ headers }, socket: Duplex) => {
    held.add(socket.on('error', () => {}));
    upgrade(socket, headers['sec-websocket-key'] ?? '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const kubeconfig = join(dir, 'config');
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'plant' },
      clusters: [
        {
          name: 'plant',
          cluster: {
            server: `https://127.0.0.1:${port}`,
            'certificate-authority': join(dir, 'crt'),
          },
        },
      ],
      users: [{ name: 'operator', user: { token: 'a-token' } }],
      contexts: [{ name: 'plant', context: { cluster: 'plant', user: 'operator' } }],
    }),
  );
  connection = await openConnection({ kubeconfig }, {});
});

beforeEach(() => {
  outages = new Outages();
});

afterAll(() => {
  for (const each of held) each.destroy();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

const answering =
  (status: string) =>
  (socket: Duplex): void =>
    void socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);

/** Accepts the WebSocket, and ends it at once, as one to a port on which nothing listens. */
function accepting(socket: Duplex, key: string): void {
  const accept = createHash('sha1')
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: v4.channel.k8s.io\r\n\r\n`,
  );
  socket.end(Buffer.from([0x88, 0x00]));
}

/** Connects to a pod once, for so long at most. */
async function connectOnce(milliseconds: number): Promise<void> {
  const pod = { namespace: 'chat', pod: 'server-1', port: 80 };
  const forward = await forwardTo({ connection, outages }, pod);
  onTestFinished(() => forward.close());
  const socket = connect(forward.port, forward.address).on('error', () => {});
  socket.resume();
  const limit = setTimeout(() => socket.destroy(), milliseconds);
  await once(socket, 'close');
  clearTimeout(limit);
  // What a client gave up is noted once the other end has noticed.
  await new Promise((resolve) => setTimeout(resolve, 200));
}

describe('when a connection to a pod ends', () => {
  it.each<[string, typeof upgrade, RegExp | undefined]>([
    ['the API server does not answer', () => {}, /no connection to pod chat\/server-1/],
    ['the API server cuts it', (socket) => void socket.destroy(), /socket hang up/],
    ['the API server reaches no kubelet', answering('502 Bad Gateway'), /status 502/],
    ['the API server starts', answering('503 Service Unavailable'), /status 503/],
    ['the pod is gone', answering('404 Not Found'), undefined],
    ['nothing listens in the pod', accepting, undefined],
  ])('notes an outage, or none: %s', async (_, does, reason) => {
    upgrade = does;
    await connectOnce(300);
    if (reason === undefined) expect(outages.total()).toBe(0);
    else expect(outages.total()).toBeGreaterThan(0);
    if (reason !== undefined) expect(outages.reason()).toMatch(reason);
  });
});

describe('when a program cannot be started in a pod', () => {
  it.each<[string, typeof upgrade, RegExp, boolean]>([
    ['502', answering('502 Bad Gateway'), /status 502/, true],
    ['404', answering('404 Not Found'), /status 404/, false],
  ])(
    'says the status, and notes an outage unless the pod is gone: %s',
    async (_, does, found, outage) => {
      upgrade = does;
      const inside = { namespace: 'chat', pod: 'server-1', container: 'server', command: ['true'] };
      const error = await expectCode(
        () => runInPod({ connection, outages }, inside, signal),
        'engine-failed',
      );
      expect(error.found).toMatch(found);
      expect(outages.total() > 0).toBe(outage);
    },
  );
});
