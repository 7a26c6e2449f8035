import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Upload } from '../../src/net/exchange.ts';
import { createRegistryClient } from '../../src/net/registry-client.ts';
import { Secret } from '../../src/net/secret.ts';
import { createRegistryWriter, type RegistryWriter } from '../../src/push/registry-writer.ts';
import { freePort } from '../lab/registry.ts';
import { never, responding, serve, type TestServer, testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';

const password = 'open-sesame-0123456789';
const basic = `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;

function writerTo(registry: string, http = testHttp().http): RegistryWriter {
  const credentials = {
    find: async () => ({ kind: 'basic', username: 'me', password: new Secret(password) }) as const,
  };
  return createRegistryWriter({
    ...{ registry, http, signal: never },
    client: createRegistryClient({ http, credentials }),
  });
}

function upload(bytes: number): Upload & { opened(): number } {
  let opened = 0;
  return {
    size: bytes,
    opened: () => opened,
    open: async function* () {
      opened += 1;
      for (let left = bytes; left > 0; left -= 65_536) yield Buffer.alloc(Math.min(left, 65_536));
    },
  };
}

const put = { method: 'PUT', what: 'it', to: 'manifests/1', repository: 'a' } as const;

/** A registry that asks for Basic, and notes how many bytes it got with each request. */
async function lockedRegistry(): Promise<TestServer & { readonly bytes: number[] }> {
  const bytes: number[] = [];
  const server = await serve((request, response) => {
    if (request.headers.authorization !== basic) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      return;
    }
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    request.on('end', () => {
      bytes.push(received);
      response.writeHead(201).end();
    });
  });
  return { ...server, bytes };
}

describe('when a registry asks for credentials before it takes an upload', () => {
  it('sends the upload again from its beginning', async () => {
    const { host, bytes } = await lockedRegistry();
    const body = upload(3_000_000);
    const { status } = await writerTo(host).send({ ...put, body });
    expect(status).toBe(201);
    expect([bytes, body.opened()]).toEqual([[3_000_000], 2]);
  });
});

describe('when a token service grants writing', () => {
  it('is asked for both repositories of a mount, in our own words', async () => {
    const scopes: string[][] = [];
    const tokens = await serve((request, response) => {
      scopes.push(new URL(request.url ?? '', 'http://x').searchParams.getAll('scope'));
      response.end('{"token":"t1"}');
    });
    const { host } = await serve((request, response) => {
      const challenge = `Bearer realm="${tokens.url}?scope=registry:catalog:*"`;
      if (request.headers.authorization === 'Bearer t1') response.writeHead(201).end();
      else response.writeHead(401, { 'www-authenticate': challenge }).end();
    });
    await writerTo(host).send({ ...put, method: 'POST', mountFrom: 'b' });
    expect(scopes).toEqual([['repository:a:pull,push', 'repository:b:pull']]);
  });
});

describe('when a registry names where an upload goes on', () => {
  const far = (seen: { url: string; authorization: string | undefined }[]): RegistryWriter =>
    writerTo(
      'registry.example',
      testHttp({
        transport: async ({ url, headers }) => {
          seen.push({ url: url.href, authorization: headers['authorization'] });
          return responding(202, {});
        },
      }).http,
    );

  it.each([
    'http://registry.example/v2/a/blobs/uploads/1',
    'http://storage.example/upload',
    'https://127.0.0.1:8443/upload',
    'https://169.254.169.254/upload',
    'https://[::1]/upload',
  ])('does not send it to %s', async (location) => {
    const seen: { url: string; authorization: string | undefined }[] = [];
    const request = { ...put, method: 'PATCH', to: new URL(location) } as const;
    await expectCode(() => far(seen).send(request), 'registry-refused');
    expect(seen).toEqual([]);
  });

  it('sends it to another host without credentials, even if that one asks', async () => {
    const storage = await serve((_, response) =>
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(),
    );
    const { host } = await lockedRegistry();
    const writer = writerTo(host);
    await writer.send({ ...put, body: Buffer.from('{}') });
    const to = new URL(`${storage.url}/upload`);
    await expectCode(() => writer.send({ ...put, to, body: upload(10) }), 'registry-refused');
    expect(storage.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

describe('when a registry refuses', () => {
  it.each([
    [403, 'registry-denied'],
    [404, 'registry-refused'],
    [413, 'registry-refused'],
    [307, 'registry-refused'],
    [500, 'registry-refused'],
  ] as const)('%i is %s, without the password', async (status, code) => {
    const { host } = await serve((_, response) =>
      response
        .writeHead(status, { location: '/elsewhere' })
        .end(`{"errors":[{"code":"${password}"}]}`),
    );
    const error = await expectCode(() => writerTo(host).send(put), code);
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(password);
  });

  it('names the code of the registry, read from an answer that came before the whole upload', async () => {
    const { host } = await serve((_, response) =>
      response
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"errors":[{"code":"DIGEST_INVALID"}]}'),
    );
    const request = { ...put, body: upload(50_000_000), tries: 1 };
    const error = await expectCode(() => writerTo(host).send(request), 'registry-refused');
    expect(error.found).toContain('DIGEST_INVALID');
  });

  it('says that nobody answers', async () => {
    const host = `127.0.0.1:${await freePort()}`;
    await expectCode(() => writerTo(host).send(put), 'registry-unreachable');
  });
});

describe('when a registry is slow', () => {
  it('waits while it takes more of an upload', async () => {
    const { http } = testHttp();
    const body: Upload = {
      size: 5,
      open: async function* () {
        for (let index = 0; index < 5; index++) {
          await new Promise((next) => setTimeout(next, 120));
          yield Buffer.from('a');
        }
      },
    };
    const { url } = await serve((request, response) => {
      request.resume().on('end', () => response.writeHead(201).end());
    });
    const request = { what: 'it', url: new URL(url), method: 'PUT', body } as const;
    const options = { headersTimeoutMs: 400, tries: 1 };
    expect((await http.request({ ...request, ...options }, never)).status).toBe(201);
  });
});
