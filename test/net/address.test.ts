import { describe, expect, it } from 'vitest';
import { LocalAddressError, lookupPublic, pointsToLocal } from '../../src/net/address.ts';
import { createAuthenticator } from '../../src/net/registry-auth.ts';
import { Secret } from '../../src/net/secret.ts';
import { createTransport } from '../../src/net/transport.ts';
import { expectCode } from '../support/error.ts';
import { never, responding, serve, testHttp } from './server.ts';

const far = new URL('https://registry.example/v2/');
const inside = [
  'http://127.0.0.1/',
  'https://127.1.2.3:8443/',
  'http://localhost:9/',
  'http://LOCALHOST./',
  'http://a.localhost/',
  'http://[::1]/',
  'http://[::ffff:127.0.0.1]/',
  'http://[::ffff:a9fe:a9fe]/',
  'http://0.0.0.0/',
  'http://[::]/',
  'http://2130706433/',
  'http://0x7f.1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://[fd00:ec2::254]/',
  'https://[fe80::1]/',
];

describe('when a server elsewhere leads to this machine or its link', () => {
  it.each(inside)('knows %s', (address) => {
    expect(pointsToLocal(new URL(address), far)).toBe(true);
    expect(pointsToLocal(new URL(address), new URL('http://127.0.0.1:5000/'))).toBe(false);
  });

  it.each([
    'https://10.0.0.1/',
    'http://192.168.1.1/',
    'https://cdn.example/',
    'http://[fd00::1]/',
  ])('lets %s be: networks have hosts of their own', (address) => {
    expect(pointsToLocal(new URL(address), far)).toBe(false);
  });

  it.each(inside.filter((address) => address.startsWith('https:')))(
    'does not follow its redirect to %s',
    async (location) => {
      const asked: string[] = [];
      const { http } = testHttp({
        transport: async ({ url }) => {
          asked.push(url.href);
          return responding(307, { location });
        },
      });
      const error = await expectCode(
        () => http.request({ what: 'it', url: far }, never),
        'source-malformed',
      );
      expect(error.found).toContain('this machine');
      expect(asked).toEqual([far.href]);
    },
  );

  it('by a name of its own, is found out when that is looked up, and is not asked again', async () => {
    const server = await serve((_, response) => response.end('secret'));
    const { port } = new URL(server.url);
    // Any name will do that the resolver knows as this machine; localhost is one that it always does.
    const real = createTransport();
    const { http, pauses } = testHttp({
      transport: async (request) =>
        request.url.host === 'mirror.example'
          ? responding(302, { location: 'http://rebound.example/' })
          : real({ ...request, url: new URL(`http://localhost:${port}/`) }),
    });
    const plain = { what: 'it', url: new URL('http://mirror.example/') };
    const error = await expectCode(() => http.request(plain, never), 'source-unreachable');
    expect(error.found).toContain('a redirect to this machine');
    expect(server.seen).toEqual([]);
    expect(pauses).toEqual([]);
    const range = { ...plain, headers: { range: 'bytes=0-2097151' } };
    await expectCode(() => http.request(range, never), 'source-unreachable');
    expect(server.seen).toEqual([]);
  });

  it('looks up no other way', async () => {
    const found = await new Promise((done) => lookupPublic('localhost', {}, done));
    expect(found).toBeInstanceOf(LocalAddressError);
    const absent = await new Promise<NodeJS.ErrnoException | null>((done) =>
      lookupPublic('absent.invalid', { all: true }, done),
    );
    expect(absent?.code).toMatch(/ENOTFOUND|EAI_AGAIN/);
  });

  it.each(['http://127.0.0.1:1/token', 'https://localhost/token', 'http://tokens.example/'])(
    'does not send a password to a token service at %s',
    async (realm) => {
      const { http } = testHttp({
        transport: async () => {
          throw new Error('nothing is asked');
        },
      });
      const authenticator = createAuthenticator({
        http,
        credentials: {
          find: async () => ({ kind: 'basic', username: 'me', password: new Secret('word') }),
        },
      });
      const challenge = { header: `Bearer realm="${realm}"`, asked: { what: 'it', url: far } };
      const place = { registry: 'registry.example', repository: 'a/b' };
      await expectCode(() => authenticator.answer(challenge, place, never), 'source-malformed');
    },
  );
});

describe('when a server of this machine leads to another', () => {
  it('is followed', async () => {
    const other = await serve((_, response) => response.end('good'));
    const server = await serve((_, response) =>
      response.writeHead(302, { location: other.url.replace('127.0.0.1', 'localhost') }).end(),
    );
    const { http } = testHttp();
    const asked = { what: 'it', url: new URL(server.url) };
    expect((await http.read(asked, 10, never)).bytes.toString()).toBe('good');
  });
});
