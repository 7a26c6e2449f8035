import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createHostTrust } from '../../src/net/host-trust.ts';
import { createTransport } from '../../src/net/transport.ts';
import { expectCode } from '../support/error.ts';
import { requireIpv6 } from '../support/ipv6.ts';
import { scratchFolder } from '../support/scratch.ts';
import { never, testHttp } from './server.ts';

const scratch = scratchFolder();
const [key, cert] = [join(scratch.root, 'key.pem'), join(scratch.root, 'ca.pem')];
let server: Server;
let asked = 0;

beforeAll(async () => {
  const made = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=lab';
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1,IP:::1', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', ...made.split(' '), ...names], { stdio: 'ignore' });
  const pem = { key: readFileSync(key), cert: readFileSync(cert) };
  server = createServer(pem, (_, response) => {
    asked += 1;
    response.end('good');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => vi.unstubAllEnvs());
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const address = (): URL => new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`);

describe('when the environment turns the checks of TLS off', () => {
  it.each([
    ['a document', {}],
    ['a stretch of a large file', { range: 'bytes=0-2097151' }],
  ])('checks the certificate all the same, for %s', async (_, headers) => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const { http } = testHttp({ transport: createTransport() });
    const error = await expectCode(
      () => http.request({ what: 'it', url: address(), headers }, never),
      'source-unreachable',
    );
    expect(error.found).toContain('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(asked).toBe(0);
    const trust = await createHostTrust({ env: {}, home: scratch.root, caFile: cert, folders: [] });
    const trusting = testHttp({ transport: createTransport({ trust }) });
    const answer = await trusting.http.read({ what: 'it', url: address(), headers }, 10, never);
    expect(answer.bytes.toString()).toBe('good');
    asked = 0;
  });
});

describe('when a server is named by its IPv6 address', () => {
  it.for([
    ['a document', {}],
    ['a stretch of a large file', { range: 'bytes=0-2097151' }],
  ] as const)('finds the address in its certificate, for %s', async ([_, headers], test) => {
    requireIpv6(test);
    const six = createServer(
      { key: readFileSync(key), cert: readFileSync(cert) },
      (_request, response) => void response.end('good'),
    );
    six.listen(0, '::1');
    await once(six, 'listening');
    try {
      const url = new URL(`https://[::1]:${(six.address() as AddressInfo).port}/`);
      const trust = await createHostTrust({
        env: {},
        home: scratch.root,
        caFile: cert,
        folders: [],
      });
      const { http } = testHttp({ transport: createTransport({ trust }) });
      const answer = await http.read({ what: 'it', url, headers }, 10, never);
      expect(answer.bytes.toString()).toBe('good');
    } finally {
      six.closeAllConnections();
      six.close();
    }
  });
});
