import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type Digest, digestFromHex } from '../../src/core/digest.ts';
import type { Credential } from '../../src/net/credential-file.ts';
import type { CredentialStore } from '../../src/net/registry-credentials.ts';
import { Secret } from '../../src/net/secret.ts';
import { createRegistry } from '../../src/source/oci.ts';
import { expectCode } from '../support/error.ts';
import { drain, never, responding, serve, type TestServer, testHttp } from './server.ts';

const blob = Buffer.from('a layer');
const digest: Digest = digestFromHex(createHash('sha256').update(blob).digest('hex'));
const password = 'open-sesame-0123456789';
const basic: Credential = { kind: 'basic', username: 'me', password: new Secret(password) };
const identity: Credential = { kind: 'identity', token: new Secret(password) };

interface Asked {
  readonly url: URL;
  readonly method: string;
  readonly authorization: string | undefined;
  readonly form: URLSearchParams;
}

interface TokenServer extends TestServer {
  readonly asked: Asked[];
}

/** A token service that answers with these, one after the other, the last for good. */
async function tokenServer(...answers: (number | object | string)[]): Promise<TokenServer> {
  const asked: Asked[] = [];
  const server = await serve((request, response) => void answer(request, response));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    asked.push({
      url: new URL(request.url ?? '', 'http://token.invalid'),
      method: request.method ?? '',
      authorization: request.headers.authorization,
      form: new URLSearchParams(await text(request)),
    });
    const next = answers[Math.min(asked.length, answers.length) - 1];
    if (typeof next === 'number') response.writeHead(next).end(`refused ${password}`);
    else response.end(typeof next === 'string' ? next : JSON.stringify(next));
  };
  return { ...server, asked };
}

/** A registry that gives its one blob to whoever shows one of these tokens. */
async function tokenRegistry(challenge: string, tokens: readonly string[]): Promise<TestServer> {
  return serve((request, response) => {
    if (tokens.includes(request.headers.authorization ?? '')) response.end(blob);
    else response.writeHead(401, { 'www-authenticate': challenge }).end();
  });
}

function client(credential?: Credential, now?: () => number): ReturnType<typeof createRegistry> {
  const credentials: CredentialStore = { find: async () => credential };
  return createRegistry({ credentials, http: testHttp().http, ...(now && { now }) });
}

describe('when a registry offers Bearer', () => {
  it('fetches a token to pull this repository, anonymously where nobody is known', async () => {
    const tokens = await tokenServer({ token: 't1' });
    const challenge = `Bearer realm="${tokens.url}/token?own=1",service="r",scope="repository:*:*"`;
    const server = await tokenRegistry(challenge, ['Bearer t1']);
    const origin = client().blob(`${server.host}/a/b`, digest);
    expect(await drain(await origin.open(0, never))).toEqual(blob);
    expect(tokens.asked[0]?.authorization).toBeUndefined();
    expect(Object.fromEntries(tokens.asked[0]?.url.searchParams ?? [])).toEqual({
      own: '1',
      service: 'r',
      scope: 'repository:a/b:pull',
      client_id: 'stowage',
    });
  });

  it('shows the token service who asks', async () => {
    const tokens = await tokenServer({ access_token: 't1' });
    const server = await tokenRegistry(`Bearer realm="${tokens.url}"`, ['Bearer t1']);
    await client(basic).blob(`${server.host}/a`, digest).open(0, never);
    const expected = `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;
    expect(tokens.asked[0]?.authorization).toBe(expected);
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      'Bearer t1',
    ]);
  });

  it('exchanges an identity token by POST', async () => {
    const tokens = await tokenServer({ access_token: 't1' });
    const server = await tokenRegistry(`Bearer realm="${tokens.url}",service="r"`, ['Bearer t1']);
    await client(identity).blob(`${server.host}/a`, digest).open(0, never);
    expect(tokens.asked[0]?.method).toBe('POST');
    expect(Object.fromEntries(tokens.asked[0]?.form ?? [])).toEqual({
      grant_type: 'refresh_token',
      service: 'r',
      client_id: 'stowage',
      scope: 'repository:a:pull',
      refresh_token: password,
    });
  });

  it('keeps a token for its repository while it lives', async () => {
    let now = 0;
    const tokens = await tokenServer({ token: 't1', expires_in: 100 });
    const server = await tokenRegistry(`Bearer realm="${tokens.url}"`, ['Bearer t1']);
    const registry = client(undefined, () => now);
    const open = async (repository: string): Promise<unknown> =>
      registry.blob(`${server.host}/${repository}`, digest).open(0, never);
    await open('a');
    await open('a');
    expect(tokens.asked).toHaveLength(1);
    await open('b');
    expect(tokens.asked).toHaveLength(2);
    now = 91_000;
    await open('a');
    expect(tokens.asked).toHaveLength(3);
  });

  it('fetches another when the registry no longer takes the one kept', async () => {
    const tokens = await tokenServer({ token: 't1' }, { token: 't2' });
    const valid = ['Bearer t1'];
    const server = await tokenRegistry(`Bearer realm="${tokens.url}"`, valid);
    const origin = client().blob(`${server.host}/a`, digest);
    await origin.open(0, never);
    valid[0] = 'Bearer t2';
    await origin.open(0, never);
    expect(tokens.asked).toHaveLength(2);
  });

  it('does not carry the token to the storage that it is redirected to', async () => {
    const tokens = await tokenServer({ token: 't1' });
    const storage = await serve((_, response) => response.end(blob));
    const server = await serve((request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.url}"` }).end();
      } else response.writeHead(307, { location: `${storage.url}/x?signature=y` }).end();
    });
    const origin = client().blob(`${server.host}/a`, digest);
    expect(await drain(await origin.open(0, never))).toEqual(blob);
    expect(storage.seen[0]?.headers.authorization).toBeUndefined();
  });
});

describe('when a token is not to be had', () => {
  it.each([
    ['refused', 401, 'source-denied'],
    ['forbidden', 403, 'source-denied'],
    ['failing', 500, 'source-unreachable'],
    ['empty', {}, 'source-malformed'],
    ['no JSON', `<html>${password}`, 'source-malformed'],
    ['a token with a line break', { token: 'a\r\nb' }, 'source-malformed'],
    ['a number', { token: 7 }, 'source-malformed'],
  ] as const)('because it is %s, says so without the password', async (_, answer, code) => {
    for (const credential of [basic, identity]) {
      const tokens = await tokenServer(answer);
      const server = await tokenRegistry(`Bearer realm="${tokens.url}"`, []);
      const origin = client(credential).blob(`${server.host}/a`, digest);
      const error = await expectCode(() => origin.open(0, never), code);
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(password);
    }
  });

  it('because the registry refuses it all the same, says what that can mean', async () => {
    const tokens = await tokenServer({ token: 't1' });
    const server = await tokenRegistry(`Bearer realm="${tokens.url}"`, []);
    const origin = client().blob(`${server.host}/a`, digest);
    const error = await expectCode(() => origin.open(0, never), 'source-denied');
    expect(error.found).toBe('one that is absent, or private');
    expect(server.seen).toHaveLength(2);
  });

  it.each([
    ['no challenge', 'Negotiate'],
    ['no realm', 'Bearer service="r"'],
    ['a realm that is no address', 'Bearer realm="token"'],
    ['a realm of another kind', 'Bearer realm="file:///etc/passwd"'],
    ['a realm with a user', 'Bearer realm="https://a:b@token.invalid"'],
  ])('because there is %s, says so', async (_, challenge) => {
    const server = await tokenRegistry(challenge, []);
    const origin = client(basic).blob(`${server.host}/a`, digest);
    await expectCode(() => origin.open(0, never), 'source-malformed');
  });
});

describe('when a registry speaks https', () => {
  it('its token service does too', async () => {
    const seen: string[] = [];
    const { http } = testHttp({
      transport: async ({ url }) => {
        seen.push(url.href);
        return responding(401, { 'www-authenticate': 'Bearer realm="http://token.example/t"' });
      },
    });
    const registry = createRegistry({ credentials: { find: async () => basic }, http });
    const origin = registry.blob('r.example/a', digest);
    await expectCode(() => origin.open(0, never), 'source-malformed');
    expect(seen).toEqual([`https://r.example/v2/a/blobs/${digest}`]);
  });
});

describe('when a storage behind a registry answers 401', () => {
  it('it is not signed in to', async () => {
    const storage = await serve((_, response) =>
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(),
    );
    const server = await serve((_, response) =>
      response.writeHead(307, { location: storage.url }).end(),
    );
    const origin = client(basic).blob(`${server.host}/a`, digest);
    await expectCode(() => origin.open(0, never), 'source-malformed');
    expect(storage.seen).toHaveLength(1);
  });
});
