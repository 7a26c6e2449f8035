import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect, type SecureVersion } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type Depot, type DepotOptions, startDepot } from '../../src/depot/server.ts';
import { parseTokens } from '../../src/depot/tokens.ts';
import { run } from '../lab/process.ts';
import { expectCode } from '../support/error.ts';
import { requireIpv6 } from '../support/ipv6.ts';
import { scratchFolder } from '../support/scratch.ts';
import { ask, Store } from './fixture.ts';

const TOKEN = 'a-token-of-some-length';
const scratch = scratchFolder();
const store = new Store();
const lines: string[] = [];
const open: Depot[] = [];
const tokens = parseTokens(`ana:${TOKEN}\n`);

async function start(options: Partial<DepotOptions> = {}): Promise<Depot> {
  const depot = await startDepot(store, {
    ...{ address: '127.0.0.1', port: 0, onAnswer: (line) => void lines.push(line) },
    ...options,
  });
  open.push(depot);
  return depot;
}

async function certificate(
  names = 'IP:127.0.0.1,IP:::1',
): Promise<{ certificate: Buffer; key: Buffer }> {
  const [key, path] = [scratch.fresh('key.pem'), scratch.fresh('cert.pem')];
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-subj', '/CN=depot', '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', path],
  ]);
  return { certificate: readFileSync(path), key: readFileSync(key) };
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((depot) => depot.close()));
  lines.length = 0;
});
afterAll(() => store.remove());

describe('when other hosts could reach the depot', () => {
  it.each(['0.0.0.0', '::', '192.0.2.1', 'depot.example'])(
    'does not start on %s without TLS and tokens',
    async (address) => {
      await expectCode(() => start({ address }), 'usage-invalid');
      await expectCode(() => start({ address, tokens }), 'usage-invalid');
      const tls = { certificate: '', key: '' };
      await expectCode(() => start({ address, tls }), 'usage-invalid');
    },
  );

  it('refuses a key that does not match the certificate', async () => {
    const [one, two] = [await certificate(), await certificate()];
    const tls = { certificate: one.certificate, key: two.key };
    await expectCode(() => start({ tls }), 'document-invalid');
  });

  const get = (host: string, path: string, ca: Buffer): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${TOKEN}` };
      request(`https://${host}${path}`, { ca, headers, agent: false }, async (response) => {
        resolve(`${response.statusCode} ${Buffer.concat(await response.toArray())}`);
      })
        .on('error', reject)
        .end();
    });

  it.for([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '[::1]'],
  ] as const)(
    'serves over TLS on %s, whose certificate names it',
    async ([address, host], test) => {
      if (address === '::1') requireIpv6(test);
      const tls = await certificate();
      const depot = await start({ tls, tokens, address });
      expect(depot.host).toMatch(new RegExp(`^${host.replace(/[[\]]/g, '\\$&')}:\\d+$`));
      expect(await get(depot.host, '/v2/', tls.certificate)).toMatch(/^200 /);
      expect(await get(depot.host, '/', tls.certificate)).toContain(`<bdi>${depot.host}</bdi>`);
      const other = await certificate(address === '::1' ? 'IP:127.0.0.1' : 'IP:::1');
      const wrong = await start({ tls: other, tokens, address });
      await expect(get(wrong.host, '/v2/', other.certificate)).rejects.toMatchObject({
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      });
    },
  );

  it.for([
    ['192.0.2.1', 0, 'no interface of this host has the address'],
    ['2001:db8::1', 0, 'no interface of this host has the address'],
    ['127.0.0.1', -1, 'the port is in use'],
  ] as const)('says why it cannot listen on %s', async ([address, port, found]) => {
    const first = await start();
    const used = Number(first.host.split(':')[1]);
    const options = { address, port: port < 0 ? used : port, tls: await certificate(), tokens };
    const error = await expectCode(() => start(options), 'host-unfit');
    expect(error.found).toBe(found);
    expect(error.message).toContain(address.includes(':') ? `[${address}]:` : `${address}:`);
    expect(error.hint.includes('ss -ltnp')).toBe(port < 0);
  });
});

describe('when tokens are required', () => {
  it.each(['/v2/', '/', '/metrics', '/api/models', '/v2/_catalog'])(
    'asks for one at %s',
    async (path) => {
      const { host } = await start({ tokens });
      const without = await ask(host, path);
      expect(without.status).toBe(401);
      expect(without.headers['www-authenticate']).toMatch(/^Basic /);
      const basic = Buffer.from(`ana:${TOKEN}`).toString('base64');
      const reply = await ask(host, path, { headers: { Authorization: `Basic ${basic}` } });
      expect(reply.status).toBe(200);
    },
  );

  it('requires none for /healthz', async () => {
    const { host } = await start({ tokens });
    expect((await ask(host, '/healthz')).body.toString()).toBe('ok\n');
  });
});

describe('when responses are logged and counted', () => {
  it('keeps every secret out of the log, and names the holder', async () => {
    const { host } = await start({ tokens });
    await ask(host, `/v2/?token=${TOKEN}&access_token=${TOKEN}&n=1`, {
      headers: {
        Authorization: `Bearer ${TOKEN}`,
        Cookie: TOKEN,
        'User-Agent': 'one\ntwo'.slice(0, 3),
      },
    });
    expect(lines.join('')).not.toContain(TOKEN);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      ...{ holder: 'ana', method: 'GET', path: '/v2/?n=1', status: 200, agent: 'one' },
    });
  });

  it('counts responses by route', async () => {
    const { host } = await start();
    await ask(host, '/v2/');
    await ask(host, '/nowhere');
    const text = (await ask(host, '/metrics')).body.toString();
    expect(text).toContain('stowage_depot_requests_total{route="oci",code="200"} 1\n');
    expect(text).toContain('stowage_depot_requests_total{route="other",code="404"} 1\n');
    expect(text).toMatch(/^stowage_depot_requests_in_flight 1$/m);
  });
});

describe('when the home page is requested', () => {
  it('lets the browser run no script and load nothing else', async () => {
    const { host } = await start();
    const { headers, body } = await ask(host, '/', {
      headers: { Host: '"><script>alert(1)</script>' },
    });
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(headers['set-cookie']).toBeUndefined();
    expect(body.toString()).not.toContain('<script');
  });
});

const ciphers: readonly (readonly [string, SecureVersion, string | null])[] = [
  ['ECDHE-ECDSA-AES128-SHA', 'TLSv1.2', null],
  ['ECDHE-ECDSA-AES256-SHA384', 'TLSv1.2', null],
  ['ECDHE-ECDSA-AES128-GCM-SHA256', 'TLSv1.2', 'TLSv1.2'],
  ['TLS_AES_128_GCM_SHA256', 'TLSv1.3', 'TLSv1.3'],
];

describe('when the depot uses TLS', () => {
  it.each(ciphers)('with a client that offers only %s of %s, agrees on %s', async (...row) => {
    const [cipher, version, agreed] = row;
    const tls = await certificate();
    const port = Number((await start({ tls })).host.split(':')[1]);
    const socket = connect({
      ...{ host: '127.0.0.1', port, ca: tls.certificate },
      ...{ ciphers: cipher, minVersion: version, maxVersion: version },
    });
    const protocol = await new Promise<string | null>((resolve) => {
      socket.once('secureConnect', () => resolve(socket.getProtocol()));
      socket.once('error', () => resolve(null));
    });
    socket.destroy();
    expect(protocol).toBe(agreed);
  });

  it('answers pipelined requests in order', async () => {
    const tls = await certificate();
    const port = Number((await start({ tls })).host.split(':')[1]);
    const socket = connect({ host: '127.0.0.1', port, ca: tls.certificate });
    const get = (path: string, more = ''): string =>
      `GET ${path} HTTP/1.1\r\nHost: d\r\n${more}\r\n`;
    socket.write(get('/v2/') + get('/none') + get('/healthz', 'Connection: close\r\n'));
    let received = '';
    for await (const bytes of socket) received += String(bytes);
    expect(received.match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(['200', '404', '200']);
    expect(received.endsWith('ok\n')).toBe(true);
  });
});
