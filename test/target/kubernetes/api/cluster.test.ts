import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, RequestOptions, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, type Found } from '../../../../src/target/kubernetes/api/cluster.ts';
import type { Connection } from '../../../../src/target/kubernetes/api/connection.ts';
import { expectCode } from '../../../support/error.ts';

// Faults that a real API server shows only under load or after years.
const { signal } = new AbortController();
let dir: string;
let server: Server;
let cluster: Cluster;
let asked: string[] = [];
/** The answer to each request, or nothing for a connection that breaks. */
let answer: (path: string, method: string) => Answer | undefined = () => undefined;

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: object | string;
  /** Breaks the connection before the end of the body. */
  readonly cut?: boolean;
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'api-'));
  const [key, certificate] = [join(dir, 'key'), join(dir, 'crt')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-subj', '/CN=api', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', key, '-out', certificate],
    ],
    { stdio: 'ignore' },
  );
  const cert = readFileSync(certificate);
  server = createServer({ key: readFileSync(key), cert }, handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const config = {
    applyToHTTPSOptions: async (options: RequestOptions & { ca?: Buffer }) => {
      options.ca = cert;
    },
    getCurrentUser: () => null,
  };
  const { port } = server.address() as AddressInfo;
  const connection = { server: `https://127.0.0.1:${port}`, config } as unknown as Connection;
  cluster = new Cluster(connection);
});

afterEach(() => {
  asked = [];
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

function handle({ url = '', method = '' }: IncomingMessage, response: ServerResponse): void {
  asked.push(`${method} ${url}`);
  const given = answer(url, method);
  if (given === undefined) {
    response.destroy();
    return;
  }
  const text = typeof given.body === 'string' ? given.body : JSON.stringify(given.body);
  response.writeHead(given.status ?? 200, { ...given.headers, 'content-length': text.length });
  if (given.cut === true) response.write(text.slice(0, 5), () => response.destroy());
  else response.end(text);
}

const status = (code: number, message: string): Answer => ({
  status: code,
  body: { kind: 'Status', message },
});
const NODE = { kind: 'Node', name: 'n1' } as const;

async function all(list: AsyncIterable<Found>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const each of list) found.push(each['name']);
  return found;
}

describe('when an API server fails half of the time', () => {
  it.each([
    ['is overloaded', { ...status(429, 'too many requests'), headers: { 'retry-after': '1' } }],
    ['restarts behind a proxy', { status: 502, body: '<html>bad gateway</html>' }],
    ['loses etcd', status(500, 'etcdserver: leader changed')],
    ['breaks off in the middle of a body', { body: { name: 'n1' }, cut: true }],
    ['breaks off before an answer', undefined],
  ])('repeats a request where it %s', async (_, first) => {
    let calls = 0;
    answer = () => {
      calls += 1;
      return calls === 1 ? first : { body: { name: 'n1' } };
    };
    const before = cluster.outages.total();
    expect(await cluster.get(NODE, signal)).toEqual({ name: 'n1' });
    expect(asked).toHaveLength(2);
    expect(cluster.outages.total()).toBeGreaterThan(before);
    expect(cluster.outages.reason()).not.toBe('');
  });

  it.each([
    [403, 'nodes "n1" is forbidden: exceeded quota', /larger quota/],
    [403, 'nodes "n1" is forbidden: User "x" cannot list', /for this right/],
    [403, 'unable to create, because it is being terminated', /until the namespace is gone/],
    [500, 'failed calling webhook "x.example": deadline exceeded', /this webhook/],
    [404, 'the server could not find the requested resource', /api-versions/],
    [401, 'Unauthorized', /renew the credentials/],
  ])('repeats no request that was refused: %s %s', async (code, message, hint) => {
    answer = (path) => (path.startsWith('/apis') ? status(404, '') : status(code, message));
    const error = await expectCode(() => cluster.apply(object, signal), 'engine-failed');
    expect(error.hint).toMatch(hint);
    expect(asked).toHaveLength(1);
  });

  it('begins a list anew that expired between two pages', async () => {
    let expired = false;
    answer = (path) => {
      const next = new URL(path, 'https://x').searchParams.get('continue');
      if (next === null) return { body: { metadata: { continue: 'two' }, items: [{ name: 'a' }] } };
      if (expired) return { body: { metadata: {}, items: [{ name: 'b' }] } };
      expired = true;
      return status(410, 'the provided continue parameter is too old');
    };
    expect(await all(cluster.list({ kind: 'Node' }, signal))).toEqual(['a', 'a', 'b']);
  });
});

const object = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', namespace: 'chat', labels: {} },
};

describe('when a server no longer has an API version', () => {
  const missing = status(404, 'the server could not find the requested resource');
  const versions = { versions: [{ groupVersion: 'policy/v1' }, { groupVersion: 'policy/v2' }] };

  it('reads and removes the objects in the version that it has', async () => {
    answer = (path) => {
      if (path === '/apis/policy') return { body: versions };
      if (path === '/apis/policy/v1') return missing;
      if (path === '/apis/policy/v2')
        return { body: { resources: [{ name: 'poddisruptionbudgets' }] } };
      return path.startsWith('/apis/policy/v2/') ? { body: { name: 'a' } } : missing;
    };
    const place = { kind: 'PodDisruptionBudget', namespace: 'chat', name: 'a' } as const;
    expect(await cluster.get(place, signal)).toEqual({ name: 'a' });
    await cluster.remove(place, signal);
    const path = '/apis/policy/v2/namespaces/chat/poddisruptionbudgets/a';
    expect(asked.slice(-2)).toEqual([`GET ${path}`, `DELETE ${path}`]);
  });

  it('has nothing to remove where no version is left', async () => {
    answer = (path) => (path === '/apis/apps' ? { body: { versions: [] } } : missing);
    const place = { kind: 'Deployment', namespace: 'chat', name: 'a' } as const;
    expect(await cluster.get(place, signal)).toBeUndefined();
    await cluster.remove(place, signal);
  });
});
