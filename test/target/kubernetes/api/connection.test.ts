import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openConnection, sendOnce } from '../../../../src/target/kubernetes/api/connection.ts';
import { expectCode } from '../../../support/error.ts';

const { signal } = new AbortController();
const dir = mkdtempSync(join(tmpdir(), 'connection-'));
let server: Server;
let address = '';
let answer: (response: ServerResponse) => void = () => {};

beforeAll(async () => {
  for (const name of ['api', 'other'])
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'],
        ...['-keyout', join(dir, `${name}.key`), '-out', join(dir, `${name}.crt`)],
      ],
      { stdio: 'ignore' },
    );
  const [key, cert] = ['api.key', 'api.crt'].map((each) => readFileSync(join(dir, each)));
  server = createServer({ key, cert }, (_, response) => answer(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

interface Written {
  readonly server?: string;
  readonly ca?: string;
  readonly current?: string;
  readonly cluster?: object;
}

/** A kubeconfig with the context `plant`, or another. */
function kubeconfig(name: string, values: Written = {}): string {
  const { server: at = address, ca = 'api.crt', current = 'plant', cluster = {} } = values;
  const file = join(dir, name);
  const members = { server: at, 'certificate-authority': join(dir, ca), ...cluster };
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': current },
    clusters: [{ name: 'plant', cluster: members }],
    users: [{ name: 'operator', user: { token: 'a-token' } }],
    contexts: [{ name: 'plant', context: { cluster: 'plant', user: 'operator' } }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

describe('when a kubeconfig is opened', () => {
  it.each<[string, Written, RegExp]>([
    ['has no such context', { current: 'other' }, /no context other/],
    ['has no TLS', { server: 'http://127.0.0.1:1' }, /without TLS/],
    ['accepts any server', { cluster: { 'insecure-skip-tls-verify': true } }, /accepts any/],
  ])('is refused where it %s', async (_, values, text) => {
    const file = kubeconfig('bad', values);
    const error = await expectCode(() => openConnection({ kubeconfig: file }, {}), 'host-unfit');
    expect(error.found).toMatch(text);
  });

  it.each([
    ['is missing', '/nonexistent/config'],
    ['is no YAML', join(dir, 'garbage')],
  ])('is refused where it %s', async (_, file) => {
    writeFileSync(join(dir, 'garbage'), '{ not: [yaml');
    await expectCode(() => openConnection({ kubeconfig: file }, {}), 'host-unfit');
  });

  it('is the one of site.yaml before that of the environment', async () => {
    const file = kubeconfig('site');
    const other = kubeconfig('environment', { server: 'https://127.0.0.1:1' });
    const env = { KUBECONFIG: other };
    expect((await openConnection({ kubeconfig: file }, env)).server).toBe(address);
    expect((await openConnection({}, env)).server).toBe('https://127.0.0.1:1');
  });

  it('merges the files of the environment as kubectl does', async () => {
    const first = kubeconfig('first', { server: 'https://127.0.0.1:1' });
    const env = { KUBECONFIG: `${first}:${kubeconfig('second')}` };
    expect((await openConnection({}, env)).server).toBe('https://127.0.0.1:1');
  });

  it('is that of the home folder without any other', async () => {
    await expectCode(() => openConnection({}, { HOME: '/nonexistent' }), 'host-unfit');
  });
});

describe('when a request is sent', () => {
  const send = async (
    more: { signal?: AbortSignal; onBytes?: (bytes: Uint8Array) => void } = {},
    ca = 'api.crt',
  ) => {
    const connection = await openConnection({ kubeconfig: kubeconfig('used', { ca }) }, {});
    return sendOnce(connection, { method: 'GET', path: '/version', signal, ...more });
  };

  it('returns what the server said, and its clock', async () => {
    answer = (response) => response.writeHead(429, { 'retry-after': '7' }).end('slow down');
    expect(await send()).toEqual({
      ...{ status: 429, retryAfter: '7', body: 'slow down' },
      date: expect.stringMatching(/GMT$/),
    });
  });

  it('accepts no server that another authority vouches for', async () => {
    const error = await expectCode(() => send({}, 'other.crt'), 'host-unfit');
    expect(error.hint).toContain('certificate-authority');
  });

  it('has no answer where the connection ends before it', async () => {
    answer = (response) => response.destroy();
    expect(await send()).toBeUndefined();
  });

  it('ends when it is interrupted while the server is slow', async () => {
    const controller = new AbortController();
    answer = () => controller.abort();
    await expectCode(() => send({ signal: controller.signal }), 'interrupted');
  });

  it('hands a stream over as it comes, and ends where it is cut', async () => {
    const seen: string[] = [];
    answer = (response) => {
      response.write('one\n');
      response.write('two\n', () => setImmediate(() => response.destroy()));
    };
    const onBytes = (bytes: Uint8Array): void => void seen.push(Buffer.from(bytes).toString());
    expect(await send({ onBytes })).toBeUndefined();
    expect(seen.join('')).toBe('one\ntwo\n');
  });

  it('keeps a refusal out of a stream', async () => {
    answer = (response) => response.writeHead(403).end('forbidden');
    const seen: Uint8Array[] = [];
    const response = await send({ onBytes: (bytes) => seen.push(bytes) });
    expect([response?.status, response?.body, seen]).toEqual([403, 'forbidden', []]);
  });
});

describe('when requests follow each other', () => {
  const ok = (response: ServerResponse): void => void response.end('{}');

  /** Sends requests by one connection to the API, and counts the connections that the server accepts. */
  async function counted(
    run: (send: () => Promise<number | undefined>) => Promise<void>,
  ): Promise<number> {
    const connection = await openConnection({ kubeconfig: kubeconfig('kept') }, {});
    let count = 0;
    const accept = (): void => {
      count += 1;
    };
    server.on('secureConnection', accept);
    try {
      await run(async () => {
        const sent = await sendOnce(connection, { method: 'GET', path: '/version', signal });
        return sent?.status;
      });
    } finally {
      server.off('secureConnection', accept);
    }
    return count;
  }

  it('opens one connection for all of them', async () => {
    answer = ok;
    const count = await counted(async (send) => {
      for (let sent = 0; sent < 5; sent++) expect(await send()).toBe(200);
    });
    expect(count).toBe(1);
  });

  it('opens another after one without an answer, though others are idle', async () => {
    const count = await counted(async (send) => {
      answer = ok;
      await Promise.all([send(), send()]);
      answer = (response) => response.destroy();
      expect(await send()).toBeUndefined();
      answer = ok;
      expect(await send()).toBe(200);
    });
    expect(count).toBe(3);
  });
});
