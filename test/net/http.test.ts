import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/net/secret.ts';
import { freePort } from '../lab/registry.ts';
import { expectCode } from '../support/error.ts';
import { drain, never, responding, serve, testHttp } from './server.ts';

const token = 'hf_very-secret-0123456789';
const authorization = { scheme: 'Bearer', secret: new Secret(token) } as const;

describe('when a server answers for now with', () => {
  for (const status of [408, 429, 500, 502, 503, 504]) {
    it(`${status}, asks again`, async () => {
      const server = await serve((_, response) => {
        response.writeHead(server.seen.length < 3 ? status : 200).end('good');
      });
      const { http, pauses } = testHttp();
      const asked = { what: 'it', url: new URL(server.url) };
      expect((await http.read(asked, 10, never)).bytes.toString()).toBe('good');
      expect(pauses).toEqual([250, 500]);
    });
  }

  it('Retry-After, waits as long, but not over five minutes', async () => {
    const server = await serve((_, response) => {
      const after = ['3', 'Thu, 01 Jan 2026 00:00:07 GMT', '86400'][server.seen.length - 1];
      if (after === undefined) response.end();
      else response.writeHead(429, { 'retry-after': after }).end();
    });
    const { http, pauses } = testHttp({ now: () => Date.parse('2026-01-01T00:00:00Z') });
    await http.read({ what: 'it', url: new URL(server.url) }, 10, never);
    expect(pauses).toEqual([3000, 7000, 300_000]);
  });

  it.each<[Record<string, string>, number]>([
    [{ ratelimit: '"api";r=0;t=20' }, 20_000],
    [{ ratelimit: '"api";r=0;t=20', 'retry-after': '3' }, 3000],
    [{ ratelimit: '"pages";r=7;t=200, "api"; r=0; t=21' }, 21_000],
    [{ ratelimit: '"api";r=0;t=86400' }, 300_000],
    [{ ratelimit: 'limit=100, remaining=0, reset=22' }, 22_000],
    [{ 'ratelimit-reset': '23' }, 23_000],
    [{ ratelimit: '"api";r=5;t=20' }, 250],
    [{ ratelimit: '"api";r=0;t=-20' }, 250],
    [{ ratelimit: 'nonsense' }, 250],
  ])('429 and %j, waits %i ms and says so', async (headers, pause) => {
    const server = await serve((_, response) => {
      response.writeHead(server.seen.length < 2 ? 429 : 200, headers).end();
    });
    const told: string[] = [];
    const { http, pauses } = testHttp({ onWait: (reason, ms) => told.push(`${reason} ${ms}`) });
    await http.read({ what: 'it', url: new URL(server.url) }, 10, never);
    expect(pauses).toEqual([pause]);
    expect(told).toEqual(pause < 3000 ? [] : [`${server.host} asks to wait ${pause}`]);
  });
});

describe('when a server goes on failing', () => {
  it('gives up after four tries and names status and address', async () => {
    const server = await serve((_, response) => response.writeHead(503).end('out of\n order'));
    const { http } = testHttp();
    const url = new URL(`${server.url}/path?signature=abc`);
    const error = await expectCode(
      () => http.request({ what: 'the weights', url }, never),
      'source-unreachable',
    );
    expect(server.seen).toHaveLength(4);
    expect(error.message).toBe('cannot fetch the weights');
    expect(error.expected).toBe(`an answer from ${server.url}/path`);
    expect(error.found).toBe('status 503: out of order');
  });

  it('tries a connection that breaks as often', async () => {
    const server = await serve((request) => request.socket.destroy());
    const { http, pauses } = testHttp();
    const asked = { what: 'it', url: new URL(server.url) };
    await expectCode(() => http.request(asked, never), 'source-unreachable');
    expect(pauses).toHaveLength(3);
  });

  it('asks again for a body that is read whole and breaks off', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-length': 4 });
      if (server.seen.length === 1) response.write('go', () => response.destroy());
      else response.end('good');
    });
    const { http } = testHttp();
    const asked = { what: 'it', url: new URL(server.url) };
    expect((await http.read(asked, 10, never)).bytes.toString()).toBe('good');
  });
});

describe('when a server refuses', () => {
  it.each([
    [401, 'source-denied'],
    [403, 'source-denied'],
    [404, 'source-not-found'],
    [410, 'source-not-found'],
    [418, 'source-unreachable'],
    [501, 'source-unreachable'],
  ] as const)('%i is %s, at once', async (status, code) => {
    const server = await serve((_, response) => response.writeHead(status).end());
    const { http } = testHttp();
    await expectCode(() => http.request({ what: 'it', url: new URL(server.url) }, never), code);
    expect(server.seen).toHaveLength(1);
  });
});

describe('when there is no server', () => {
  it('says that the connection was refused', async () => {
    const { http } = testHttp();
    const asked = { what: 'it', url: new URL(`http://127.0.0.1:${await freePort()}`) };
    const error = await expectCode(() => http.request(asked, never), 'source-unreachable');
    expect(error.found).toBe('connection refused');
  });

  it('says that the name has no address, without asking twice', async () => {
    const { http, pauses } = testHttp();
    const asked = { what: 'it', url: new URL('http://no-such-host.invalid') };
    const error = await expectCode(() => http.request(asked, never), 'source-unreachable');
    expect(error.found).toContain('no-such-host.invalid');
    // Without a name server to ask, it is asked again.
    if (pauses.length === 0)
      expect(error.found).toBe('no address for the name no-such-host.invalid');
  });

  it('says that a port speaks no TLS', async () => {
    const server = await serve((_, response) => response.end());
    const { http } = testHttp();
    const asked = { what: 'it', url: new URL(`https://${server.host}`) };
    const error = await expectCode(() => http.request(asked, never), 'source-unreachable');
    expect(error.found).toMatch(/no TLS|broken connection/);
  });
});

describe('when a server falls silent', () => {
  it('gives up waiting for headers', async () => {
    const server = await serve(() => {});
    const { http, pauses } = testHttp({ headersTimeoutMs: 20 });
    const asked = { what: 'it', url: new URL(server.url), tries: 2 };
    const error = await expectCode(() => http.request(asked, never), 'source-unreachable');
    expect(error.found).toBe('no answer for 0.02 s');
    expect(pauses).toHaveLength(1);
  });

  it('gives up waiting for more of a body, and says how far it came', async () => {
    const server = await serve((_, response) => void response.write('half'));
    const { http } = testHttp({ idleTimeoutMs: 50 });
    const { body } = await http.request({ what: 'it', url: new URL(server.url) }, never);
    const error = await expectCode(() => drain(body), 'source-unreachable');
    expect(error.found).toBe('no bytes for 0.05 s after 4 bytes');
  });

  it('gives up on a body of which next to nothing comes', async () => {
    const server = await serve((_, response) => {
      const timer = setInterval(() => response.write('x'), 5);
      response.on('close', () => clearInterval(timer));
    });
    const { http } = testHttp({ idleTimeoutMs: 100 });
    const { body } = await http.request({ what: 'it', url: new URL(server.url) }, never);
    const error = await expectCode(() => drain(body), 'source-unreachable');
    expect(error.found).toMatch(/^no more than \d+ bytes for 0\.1 s after \d+ bytes$/);
  });

  it('does not count the time that the reader takes', async () => {
    const server = await serve((_, response) => {
      response.write('a');
      setTimeout(() => response.end('b'), 5);
    });
    const { http } = testHttp({ idleTimeoutMs: 20 });
    const { body } = await http.request({ what: 'it', url: new URL(server.url) }, never);
    let text = '';
    for await (const chunk of body) {
      text += Buffer.from(chunk).toString();
      await new Promise((wake) => setTimeout(wake, 40));
    }
    expect(text).toBe('ab');
  });
});

describe('when the work is interrupted', () => {
  it.each(['before', 'while waiting for an answer', 'while reading', 'between tries'])(
    '%s, stops',
    async (moment) => {
      const controller = new AbortController();
      const server = await serve((_, response) => {
        if (moment === 'while reading') response.write('x');
        if (moment === 'while waiting for an answer') controller.abort();
        if (moment === 'between tries') response.writeHead(503).end();
      });
      const { http } = testHttp({
        sleep: async (_, signal) => {
          controller.abort();
          signal.throwIfAborted();
        },
      });
      if (moment === 'before') controller.abort();
      await expectCode(async () => {
        const asked = { what: 'it', url: new URL(server.url) };
        const { body } = await http.request(asked, controller.signal);
        for await (const _ of body) controller.abort();
      }, 'interrupted');
    },
  );
});

describe('when a body is larger than it may be', () => {
  it('refuses it at once, whatever its length claims', async () => {
    const server = await serve((_, response) => {
      const more = (): void => void response.write('x'.repeat(65_536), more);
      response.on('error', () => {});
      more();
    });
    const { http } = testHttp();
    const asked = { what: 'it', url: new URL(server.url) };
    await expectCode(() => http.read(asked, 1000, never), 'source-malformed');
    expect(server.seen).toHaveLength(1);
  });
});

describe('when a body comes encoded though that was not asked for', () => {
  it('refuses it', async () => {
    const server = await serve((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    );
    const { http } = testHttp();
    const asked = { what: 'it', url: new URL(server.url) };
    const error = await expectCode(() => http.read(asked, 10, never), 'source-malformed');
    expect(error.found).toBe('the encoding gzip');
  });
});

describe('when a server redirects', () => {
  it('keeps Authorization on the same host and drops it for another', async () => {
    const storage = await serve((_, response) => response.end('bytes'));
    const server = await serve((request, response) => {
      const location = request.url === '/a' ? '/b' : `${storage.url}/c?signature=1`;
      response.writeHead(307, { location }).end();
    });
    const { http } = testHttp();
    const url = new URL(`${server.url}/a`);
    const headers = { range: 'bytes=1-' };
    await http.read({ what: 'it', url, authorization, headers }, 10, never);
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${token}`,
      `Bearer ${token}`,
    ]);
    expect(storage.seen[0]?.headers.authorization).toBeUndefined();
    expect(storage.seen[0]?.headers.range).toBe('bytes=1-');
  });

  it('drops Authorization for another port of the same machine', async () => {
    const other = await serve((_, response) => response.end());
    const server = await serve((_, response) =>
      response.writeHead(302, { location: other.url }).end(),
    );
    const { http } = testHttp();
    await http.read({ what: 'it', url: new URL(server.url), authorization }, 10, never);
    expect(other.seen[0]?.headers).not.toHaveProperty('authorization');
  });

  it('follows ten and no more', async () => {
    const server = await serve((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end();
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    const { http } = testHttp();
    await http.request({ what: 'it', url: new URL(`${server.url}/10`) }, never);
    await expectCode(
      () => http.request({ what: 'it', url: new URL(`${server.url}/11`) }, never),
      'source-malformed',
    );
  });

  it.each(['file:///etc/passwd', 'ftp://127.0.0.1/', 'http://['])(
    'refuses %s',
    async (location) => {
      const server = await serve((_, response) => response.writeHead(302, { location }).end());
      const { http } = testHttp();
      const asked = { what: 'it', url: new URL(server.url) };
      await expectCode(() => http.request(asked, never), 'source-malformed');
    },
  );

  it('refuses to go from https to http', async () => {
    const redirect = responding(302, { location: 'http://127.0.0.1:1/' });
    const { http } = testHttp({ transport: async () => redirect });
    const asked = { what: 'it', url: new URL('https://hub.example') };
    const error = await expectCode(() => http.request(asked, never), 'source-malformed');
    expect(error.found).toContain('127.0.0.1:1');
  });
});

describe('when a request with a token fails', () => {
  it.each([
    ['a server that repeats it', 400],
    ['a server that repeats it and fails', 500],
    ['a connection that breaks', 0],
  ])('%s gets it into no error', async (_, status) => {
    const server = await serve((request, response) => {
      if (status === 0) request.socket.destroy();
      else response.writeHead(status).end(`bad header ${request.headers.authorization}`);
    });
    const { http } = testHttp();
    const url = new URL(`${server.url}/x?token=${token}#${token}`);
    if (status === 0) url.username = token;
    const error = await expectCode(
      () => http.request({ what: 'it', url, authorization }, never),
      'source-unreachable',
    );
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(token);
    expect(error.found).not.toContain(token);
  });
});
