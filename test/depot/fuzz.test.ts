import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Digest } from '../../src/core/digest.ts';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import { ask, MANIFEST, Store } from './fixture.ts';

const CANARY = 'nothing that a client may ever see';
const store = new Store();
let depot: Depot;
let blob: Digest;
let hidden: Digest;

beforeAll(async () => {
  blob = store.add('0123456789'.repeat(100));
  hidden = store.add(CANARY);
  const manifest = store.add('{"schemaVersion":2}');
  writeFileSync(join(store.folder, 'canary'), CANARY);
  store.entries.push({
    ...{ repository: 'a/b', tags: { one: manifest } },
    manifests: new Map([[manifest, MANIFEST]]),
    blobs: new Map([[blob, 1000]]),
  });
  depot = await startDepot(store, { address: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  await depot.close();
  store.remove();
});

/** All that the depot says to some bytes, until it closes or says nothing more. */
function say(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(depot.host.split(':')[1]), '127.0.0.1');
    let said = '';
    socket.setTimeout(100, () => socket.destroy());
    socket.on('data', (chunk) => {
      said += chunk.toString('latin1');
    });
    socket.on('error', () => {}).on('close', () => resolve(said));
    socket.write(bytes, 'latin1');
  });
}

/** All that the depot says to bytes after which it closes the connection. */
async function sayUntilClosed(bytes: string): Promise<string> {
  const socket = connect(Number(depot.host.split(':')[1]), '127.0.0.1');
  socket.write(bytes, 'latin1');
  return (await buffer(socket)).toString('latin1');
}

const segment = fc.constantFrom(
  ...['..', '.', '%2e%2e', '%2E%2E%2F', '..%2f..%2f', '..%5c', '%00', '%c0%ae', '//', '', '\\'],
  ...['canary', 'etc/passwd', 'proc/self/environ', 'v2', 'a/b', 'a', 'blobs', 'manifests', 'tags'],
  ...['list', 'referrers', 'one', '_catalog', 'api', 'models', 'resolve', 'main', 'raw', 'tree'],
  ...[
    'sha256:',
    `sha256:${'0'.repeat(64)}`,
    'blobs/uploads/',
    'healthz',
    'metrics',
    'a'.repeat(300),
  ],
);
const method = fc.constantFrom(
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND'],
  ...['get', 'G\u00c9T', '', 'X'.repeat(100)],
);
const range = fc.constantFrom(
  ...['bytes=0-', 'bytes=-1', 'bytes=0-0,0-0', `bytes=${'0-1,'.repeat(1500)}0-1`, 'bytes=5-2'],
  ...[
    'bytes=0-18446744073709551615',
    'bytes=-9999999999999999',
    'bytes=9007199254740993-',
    'x=1-2',
  ],
);
const header = fc.constantFrom(
  ...['Host: x', 'Content-Length: 5', 'Transfer-Encoding: chunked', 'Expect: 100-continue'],
  ...[
    'Connection: Upgrade\r\nUpgrade: h2c',
    'Authorization: Bearer x',
    'Host: <script>',
    'X: \u00ff',
  ],
  ...['Accept: */*', 'If-None-Match: *', 'If-Range: "x"', 'Content-Length: -1', 'X : y', ' folded'],
);

const request = fc
  .tuple(method, fc.array(segment, { maxLength: 7 }), range, fc.array(header, { maxLength: 4 }))
  .map(
    ([verb, path, bytes, headers]) =>
      `${[`${verb} /${path.join('/')} HTTP/1.1`, 'Host: d', 'Connection: close', `Range: ${bytes}`, ...headers].join('\r\n')}\r\n\r\n`,
  );

describe('when requests are hostile', () => {
  it('serves only what it lists, and keeps running', async () => {
    let answers = 0;
    const property = fc.asyncProperty(
      fc.array(request, { minLength: 1, maxLength: 4 }),
      async (all) => {
        const said = await Promise.all(all.map(say));
        for (const each of said) {
          if (each.startsWith('HTTP/1.1 ')) answers += 1;
          expect(each).not.toContain(CANARY);
          expect(each).not.toContain('root:');
          expect(each).not.toContain(store.folder);
        }
        expect((await ask(depot.host, '/v2/')).status).toBe(200);
      },
    );
    await fc.assert(property, { numRuns: 40 });
    expect(answers).toBeGreaterThan(40);
  });

  it('never serves a blob that no repository lists, in any spelling', async () => {
    const paths = [
      `/v2/a/b/blobs/${hidden}`,
      `/v2/a/b/manifests/${hidden}`,
      `/v2/a/b/blobs/${hidden.replace(':', '%3A')}`,
      `/v2/a/b/../../blobs/${hidden}`,
      `/v2/a/b/blobs/${blob}/../${hidden}`,
      `/v2/a/b/blobs/${blob}%2f..%2f${hidden}`,
      `/a/b/resolve/main/${hidden}`,
      '/a/b/resolve/main/..%2f..%2fcanary',
    ];
    for (const path of paths) {
      const reply = await ask(depot.host, path);
      expect(reply.status, path).toBeGreaterThanOrEqual(400);
      expect(reply.body.toString()).not.toContain(CANARY);
    }
  });

  it('answers pipelined requests in their order', async () => {
    const one = `GET /v2/a/b/blobs/${blob} HTTP/1.1\r\nHost: d\r\n\r\n`;
    const last = one.replace('Host: d', 'Host: d\r\nConnection: close');
    const said = await sayUntilClosed(`${one.repeat(49)}${last}`);
    expect(said.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(50);
    expect(said.match(/(?:0123456789){100}/g)).toHaveLength(50);
  });
});
