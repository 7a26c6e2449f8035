import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import type { Environment } from '../../src/core/context.ts';
import { createHttp, type HttpOptions } from '../../src/net/http.ts';
import { readProxies } from '../../src/net/proxy.ts';
import { createTransport } from '../../src/net/transport.ts';
import { type Proxy as LabProxy, type ProxyOptions, startProxy } from '../lab/proxy.ts';
import { freePort } from '../lab/registry.ts';
import { expectCode } from '../support/error.ts';
import { never, type PatientHttp, serve, testHttp } from './server.ts';

const password = 'p@ss-9876543210';
const running: LabProxy[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});

async function proxy(options: ProxyOptions = {}): Promise<LabProxy> {
  const started = await startProxy(options);
  running.push(started);
  return started;
}

function behind(env: Environment, options: HttpOptions = {}): PatientHttp {
  return testHttp({ transport: createTransport({ proxies: readProxies(env) }), ...options });
}

function way(env: Environment, address: string): string | undefined {
  return readProxies(env).for(new URL(address))?.href;
}

describe('when the environment names proxies', () => {
  it.each<[string, Environment, string, string | undefined]>([
    ['https', { HTTPS_PROXY: 'http://a:1' }, 'https://x.example/', 'http://a:1/'],
    ['not the other', { HTTPS_PROXY: 'http://a:1' }, 'http://x.example/', undefined],
    ['http', { HTTP_PROXY: 'http://a:1' }, 'http://x.example/', 'http://a:1/'],
    [
      'small letters first',
      { https_proxy: 'a:1', HTTPS_PROXY: 'b:1' },
      'https://x/',
      'http://a:1/',
    ],
    [
      'no scheme',
      { HTTPS_PROXY: 'proxy.example:3128' },
      'https://x/',
      'http://proxy.example:3128/',
    ],
    ['one for all', { ALL_PROXY: 'http://a:1' }, 'http://x/', 'http://a:1/'],
    [
      'its own before one for all',
      { all_proxy: 'socks5://s', HTTP_PROXY: 'a:1', HTTPS_PROXY: 'b:1' },
      'https://x/',
      'http://b:1/',
    ],
    ['an empty one', { HTTPS_PROXY: ' ' }, 'https://x/', undefined],
  ])('goes by %s', (_, env, address, expected) => {
    expect(way(env, address)).toBe(expected);
  });

  it.each(['http://127.0.0.1:5000/', 'https://localhost/', 'http://[::1]:5000/'])(
    'asks this machine itself: %s',
    (address) => {
      expect(way({ ALL_PROXY: 'http://a:1' }, address)).toBeUndefined();
    },
  );

  it.each<[string, string, boolean]>([
    ['*', 'https://x.example/', true],
    ['x.example', 'https://x.example/', true],
    ['X.Example', 'https://x.example/', true],
    ['x.example', 'https://y.x.example/', true],
    ['.x.example', 'https://y.x.example/', true],
    ['*.x.example', 'https://y.x.example/', true],
    ['x.example', 'https://notx.example/', false],
    ['a, x.example b', 'https://x.example/', true],
    ['x.example:5000', 'https://x.example:5000/', true],
    ['x.example:5000', 'https://x.example/', false],
    ['x.example:443', 'https://x.example/', true],
    ['x.example:80', 'http://x.example/', true],
    ['10.0.0.0/8', 'http://10.1.2.3/', true],
    ['10.0.0.0/8', 'http://11.1.2.3/', false],
    ['10.0.0.0/8', 'http://10.example/', false],
    ['10.0.0.0/99', 'http://10.1.2.3/', false],
    ['10.1.2.3', 'http://10.1.2.3:5000/', true],
    ['1.2.3', 'http://10.1.2.3/', false],
    ['fd00::/8', 'http://[fd12::1]:80/', true],
    ['fd12::1', 'http://[fd12::1]:5000/', true],
    ['[fd12::1]:5000', 'http://[fd12::1]:5000/', true],
    ['[fd12::1]:5000', 'http://[fd12::1]/', false],
    ['.', 'http://x.example/', false],
    [':5000', 'http://x.example:5000/', false],
  ])('NO_PROXY=%s and %s: %s', (list, address, direct) => {
    const env = { ALL_PROXY: 'http://a:1', NO_PROXY: list };
    expect(way(env, address)).toBe(direct ? undefined : 'http://a:1/');
  });

  it.each(['socks5://user:s3cret@proxy.example:1080', 'http://', 'user s3cret', 'file:///s3cret'])(
    'refuses %s, and does not repeat it',
    async (text) => {
      const error = await expectCode(
        async () => readProxies({ HTTPS_PROXY: text }),
        'usage-invalid',
      );
      expect(error.exitStatus).toBe(2);
      expect(error.hint.includes('SOCKS proxies are not supported')).toBe(text.startsWith('socks'));
      expect(inspect(error)).not.toContain('s3cret');
      expect(error.message).toContain('HTTPS_PROXY');
    },
  );
});

describe('when a proxy leads to a server', () => {
  it('is asked with the whole address, signed in, and the server hears nothing of that', async () => {
    const server = await serve((_, response) => response.end('good'));
    const port = Number(new URL(server.url).port);
    const { host, seen } = await proxy({
      account: `us\\er:${password}`,
      hosts: { 'far.example:80': port },
    });
    const { http } = behind({
      HTTP_PROXY: `http://us%5Cer:${encodeURIComponent(password)}@${host}`,
    });
    const asked = { what: 'it', url: new URL('http://far.example/a?b') };
    expect((await http.read(asked, 10, never)).bytes.toString()).toBe('good');
    expect(seen).toMatchObject([{ method: 'GET', target: 'http://far.example/a?b' }]);
    expect(server.seen[0]?.headers['proxy-authorization']).toBeUndefined();
    // A host of NO_PROXY never learns the password either.
    const near = { what: 'it', url: new URL(server.url) };
    await http.read(near, 10, never);
    expect(server.seen[1]?.headers['proxy-authorization']).toBeUndefined();
    expect(seen).toHaveLength(1);
  });
});

describe('when a server behind a proxy of this machine redirects', () => {
  it('is followed by way of the proxy, which alone looks names up', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/good') response.end('good');
      else response.writeHead(302, { location: 'http://other.example/good' }).end();
    });
    const port = Number(new URL(server.url).port);
    const hosts = { 'far.example:80': port, 'other.example:80': port };
    const { host, seen } = await proxy({ hosts });
    const { http } = behind({ HTTP_PROXY: `http://${host.replace('127.0.0.1', 'localhost')}` });
    const asked = { what: 'it', url: new URL('http://far.example/') };
    expect((await http.read(asked, 10, never)).bytes.toString()).toBe('good');
    expect(seen.map(({ target }) => target)).toEqual([
      'http://far.example/',
      'http://other.example/good',
    ]);
  });
});

describe('when a proxy does not lead there', () => {
  const secure = { what: 'it', url: new URL('https://far.example/') };
  const plain = { what: 'it', url: new URL('http://far.example/') };

  it.each([secure, plain])('wants a sign-in, says so at once: $url', async (asked) => {
    const { host, seen } = await proxy({ account: 'user:another' });
    const { http } = behind({ ALL_PROXY: `http://user:${encodeURIComponent(password)}@${host}` });
    const error = await expectCode(() => http.read(asked, 10, never), 'source-denied');
    expect(error.found).toContain('status 407 of the proxy');
    expect(error.hint).toContain('HTTPS_PROXY');
    expect(inspect(error)).not.toContain(password);
    expect(inspect(error)).not.toContain(encodeURIComponent(password));
    expect(seen).toHaveLength(1);
  });

  it.each([
    [403, 1],
    [503, 4],
  ])('refuses with %i: asked %i times', async (status, times) => {
    const { host, seen } = await proxy({ refuse: status });
    const { http } = behind({ HTTPS_PROXY: `http://${host}` });
    const error = await expectCode(() => http.read(secure, 10, never), 'source-unreachable');
    expect(error.found).toBe(`status ${status} of the proxy ${host}`);
    expect(error.hint).toContain('far.example');
    expect(seen).toHaveLength(times);
  });

  it('is not there, names the proxy and not the server', async () => {
    const host = `127.0.0.1:${await freePort()}`;
    const { http } = behind({ ALL_PROXY: `http://user:${encodeURIComponent(password)}@${host}` });
    for (const asked of [secure, plain]) {
      const error = await expectCode(() => http.read(asked, 10, never), 'source-unreachable');
      expect(error.found).toBe(`the proxy ${host} cannot be reached (ECONNREFUSED)`);
      expect(inspect(error)).not.toContain(encodeURIComponent(password));
    }
  });

  it('never answers, is given up', async () => {
    const { host, seen } = await proxy({ refuse: 0 });
    const { http } = behind({ HTTPS_PROXY: host }, { headersTimeoutMs: 50 });
    const error = await expectCode(
      () => http.request({ ...secure, tries: 2 }, never),
      'source-unreachable',
    );
    expect(error.found).toBe('no answer for 0.05 s');
    expect(seen).toHaveLength(2);
  });

  it('closes the tunnel, is asked again', async () => {
    const server = await serve((_, response) => response.end());
    const port = Number(new URL(server.url).port);
    const { host, seen } = await proxy({ hosts: { 'far.example:443': port }, cutAfterBytes: 1 });
    const { http } = behind({ HTTPS_PROXY: `http://${host}` });
    await expectCode(() => http.read(secure, 10, never), 'source-unreachable');
    expect(seen).toHaveLength(4);
  });
});

describe('when there is no proxy', () => {
  it('asks the server itself', async () => {
    const server = await serve((_, response) => response.end('good'));
    const http = createHttp({ transport: createTransport({ proxies: readProxies({}) }) });
    const asked = { what: 'it', url: new URL(server.url) };
    expect((await http.read(asked, 10, never)).bytes.toString()).toBe('good');
  });
});
