import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import { Secret } from '../../src/net/secret.ts';
import { type FoundModel, wholeOf } from '../../src/source/origin.ts';
import { signedRequest } from '../../src/source/s3-api.ts';
import { s3Models } from '../../src/source/s3-models.ts';
import type { S3Settings } from '../../src/source/s3-settings.ts';
import { serve, type TestServer, testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';

const { signal } = new AbortController();
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
};
const SOURCE = 's3://models/team/chat';

afterEach(() => {
  vi.useRealTimers();
});

describe('when a request is signed', () => {
  it('has the signature of the example in the documentation of S3', async () => {
    vi.useFakeTimers({ now: new Date('2013-05-24T00:00:00Z'), toFake: ['Date'] });
    const request = {
      ...{ method: 'GET' as const, bucket: 'examplebucket', key: 'test.txt', what: 'test.txt' },
      headers: { range: 'bytes=0-9' },
    };
    const signed = await signedRequest(request, {
      ...{ endpoint: 'https://s3.amazonaws.com', region: 'us-east-1', pathStyle: false },
      credentials,
    });
    expect(signed.url.href).toBe('https://examplebucket.s3.amazonaws.com/test.txt');
    expect(signed.authorization?.secret.reveal()).toMatch(
      /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/,
    );
  });

  it.each([
    ['a b+c(1)!.bin', '/models/a%20b%2Bc%281%29%21.bin'],
    ['ü/%2e', '/models/%C3%BC/%252e'],
  ])('%s is asked for as %s', async (key, path) => {
    const { url } = await signedRequest(
      { method: 'GET', bucket: 'models', key, what: key },
      { endpoint: 'https://store.example', region: 'us-east-1', pathStyle: true },
    );
    expect(url.pathname).toBe(path);
  });

  it.each(['..', 'a/../b', './a', 'a/.'])(
    'refuses the key %s, which leads elsewhere',
    async (key) => {
      const settings = { endpoint: 'https://store.example', region: 'us-east-1', pathStyle: true };
      const request = { method: 'GET' as const, bucket: 'models', key, what: key };
      await expectCode(() => signedRequest(request, settings), 'path-unsafe');
    },
  );
});

/** The objects of a store; what it answers can be altered. */
interface Store {
  readonly objects: Map<string, Buffer>;
  /** Keys in one page of a listing. */
  pageSize: number;
  /** Answers instead of the store, if it returns true. */
  instead: (request: IncomingMessage, response: ServerResponse, url: URL) => boolean;
  /** More headers of an object. */
  headers: Record<string, string>;
}

function newStore(): Store {
  const objects = new Map([
    ['team/chat/README.md', Buffer.from('---\nlicense: mit\n---\n')],
    ['team/chat/empty/', Buffer.alloc(0)],
    ['team/chat/model.safetensors', Buffer.alloc(300_000, 'weights ')],
    ['team/chat/tokenizer a+b.json', Buffer.from('{}')],
    ['team/chatter/other.bin', Buffer.from('not of this model')],
  ]);
  return { objects, pageSize: 2, instead: () => false, headers: {} };
}

async function start(store: Store): Promise<TestServer> {
  return serve((request, response) => {
    const url = new URL(request.url ?? '', 'http://store');
    if (store.instead(request, response, url)) return;
    if (url.pathname === '/models/') return response.end(listing(store, url));
    const key = decodeURIComponent(url.pathname.slice('/models/'.length));
    const bytes = store.objects.get(key);
    if (bytes === undefined) return response.writeHead(404).end('<Code>NoSuchKey</Code>');
    const etag = etagOf(bytes);
    if ((request.headers['if-match'] ?? etag) !== etag)
      return response.writeHead(412).end('<Code>PreconditionFailed</Code>');
    const [, from = '0', to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const end = to ? Number(to) + 1 : bytes.length;
    const part = bytes.subarray(Number(from), end);
    const ranged = request.headers.range !== undefined;
    const more = ranged ? { 'content-range': `bytes ${from}-${end - 1}/${bytes.length}` } : {};
    response.writeHead(ranged ? 206 : 200, {
      ...{ etag, 'content-length': part.length, ...more, ...store.headers },
    });
    return response.end(request.method === 'HEAD' ? undefined : part);
  });
}

const etagOf = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`;
const object = (key: string, size: number | string): string =>
  `<Contents><Key>${encodeURIComponent(key)}</Key><Size>${size}</Size></Contents>`;
const result = (inside: string, truncated: string): string =>
  `<?xml version="1.0"?><ListBucketResult><EncodingType>url</EncodingType>${inside}<IsTruncated>${truncated}</IsTruncated></ListBucketResult>`;

function listing({ objects, pageSize }: Store, url: URL): string {
  const prefix = url.searchParams.get('prefix') ?? '';
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).toSorted();
  const from = Number(url.searchParams.get('continuation-token') ?? '0');
  const page = keys.slice(from, from + pageSize);
  const more = from + pageSize < keys.length;
  const next = more ? `<NextContinuationToken>${from + pageSize}</NextContinuationToken>` : '';
  const contents = page.map((key) => object(key, objects.get(key)?.length ?? 0));
  return result(contents.join('') + next, String(more));
}

function modelsOf({ url }: TestServer, settings: Partial<S3Settings> = {}) {
  const { http } = testHttp();
  const store = { endpoint: url, region: 'us-east-1', pathStyle: true, credentials, ...settings };
  const kind = s3Models({ http, s3: async () => store });
  const owner = { source: SOURCE, repository: 'models/chat', commit: '' };
  return {
    resolve: (): Promise<FoundModel> => kind.resolve({ source: SOURCE }, signal),
    read: async (file: FoundModel['files'][number]): Promise<Buffer> =>
      wholeOf(await kind.file(owner, file), 10_000_000, signal),
  };
}

describe('when a model is in a bucket', () => {
  it('finds its objects over several pages, and reads their bytes', async () => {
    const store = newStore();
    const models = modelsOf(await start(store));
    const { files, origin } = await models.resolve();
    expect(origin).toEqual({ kind: 's3', uri: SOURCE });
    expect(files.map(({ path }) => path).toSorted()).toEqual([
      ...['README.md', 'model.safetensors', 'tokenizer a+b.json'],
    ]);
    for (const file of files)
      expect(await models.read(file)).toEqual(store.objects.get(`team/chat/${file.path}`));
  });

  it('states a SHA-256 that the store recorded, and no sum of sums', async () => {
    const store = newStore();
    const models = modelsOf(await start(store));
    const sum = createHash('sha256').update('x').digest();
    store.headers = { 'x-amz-checksum-sha256': sum.toString('base64') };
    const stated = (await models.resolve()).files[0];
    expect(stated?.digest).toBe(`sha256:${sum.toString('hex')}`);
    store.headers = { 'x-amz-checksum-sha256': `${sum.toString('base64')}-3` };
    expect((await models.resolve()).files[0]?.digest).toBeUndefined();
  });

  it('asks for the version that was listed', async () => {
    const store = newStore();
    const server = await start(store);
    const models = modelsOf(server);
    store.headers = { 'x-amz-version-id': 'v.1_a' };
    const [file] = (await models.resolve()).files;
    if (file === undefined) throw new Error('a file is expected');
    expect(file.version).toBe('v.1_a');
    await models.read(file);
    expect(server.seen.at(-1)?.url).toMatch(/\?versionId=v\.1_a$/);
    store.headers = { 'x-amz-version-id': 'null' };
    expect((await models.resolve()).files[0]?.version).toBeUndefined();
  });

  it('asks without a signature if there is no account', async () => {
    const server = await start(newStore());
    const { http } = testHttp();
    const s3 = async () => ({ endpoint: server.url, region: 'us-east-1', pathStyle: true });
    await s3Models({ http, s3 }).resolve({ source: SOURCE }, signal);
    expect(server.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });
});

describe('when an object changes', () => {
  it.each([
    ['after it was listed', Buffer.from('{"a":1}')],
    ['into one of the same size', Buffer.from('[]')],
  ])('is refused %s', async (_, bytes) => {
    const store = newStore();
    const models = modelsOf(await start(store));
    const { files } = await models.resolve();
    const file = files.find(({ path }) => path.startsWith('tokenizer'));
    if (file === undefined) throw new Error('a file is expected');
    store.objects.set(`team/chat/${file.path}`, bytes);
    await expectCode(() => models.read(file), 'source-mismatch');
  });

  it('is refused between two ranges', async () => {
    const store = newStore();
    const server = await start(store);
    const { http } = testHttp();
    const s3 = async () => ({ endpoint: server.url, region: 'us-east-1', pathStyle: true });
    const kind = s3Models({ http, s3 });
    const owner = { source: SOURCE, repository: 'models/chat', commit: '' };
    const origin = await kind.file(owner, { path: 'model.safetensors' });
    await origin.part?.(0, 100, signal);
    store.objects.set('team/chat/model.safetensors', Buffer.alloc(300_000, 'changed '));
    await expectCode(() => origin.part?.(100, 200, signal), 'source-mismatch');
  });

  it('is refused between the listing and its description', async () => {
    const store = newStore();
    store.pageSize = 1;
    const models = modelsOf(await start(store));
    store.instead = (request) => {
      if (request.method === 'HEAD')
        store.objects.set('team/chat/README.md', Buffer.from('longer than before, or not'));
      return false;
    };
    await expectCode(() => models.resolve(), 'source-mismatch');
  });
});

describe('when a listing is not what it should be', () => {
  const loop = result(`<NextContinuationToken>1</NextContinuationToken>`, 'true');
  it.each([
    ['no XML', 'source-malformed', 'Sign in'],
    ['an HTML page', 'source-malformed', '<!doctype html><html><body>Sign in</body></html>'],
    [
      'entities that grow',
      'source-malformed',
      `<!DOCTYPE a [<!ENTITY b "${'c'.repeat(1000)}"><!ENTITY d "&b;&b;&b;">]>${result(object('team/chat/&d;', 1), 'false')}`,
    ],
    ['a size that is no number', 'source-malformed', result(object('team/chat/a', '-1'), 'false')],
    ['a key of another folder', 'source-malformed', result(object('team/x', 1), 'false')],
    [
      'a key twice',
      'source-malformed',
      result(object('team/chat/a', 1) + object('team/chat/a', 1), 'false'),
    ],
    ['no end', 'source-malformed', result(object('team/chat/a', 1), 'perhaps')],
    ['a part that cannot be continued', 'source-malformed', result('', 'true')],
    ['the same page for ever', 'source-malformed', loop],
    ['nothing in it', 'source-not-found', result('', 'false')],
    ['a key that leads elsewhere', 'path-unsafe', result(object('team/chat/../a', 1), 'false')],
    [
      'an escape that is none',
      'source-malformed',
      result('<Contents><Key>team/chat/%zz</Key><Size>1</Size></Contents>', 'false'),
    ],
  ] as const)('%s is refused', async (_, code, text) => {
    const store = newStore();
    store.instead = (_request, response, url) => {
      if (url.pathname !== '/models/') return false;
      response.end(text);
      return true;
    };
    const models = modelsOf(await start(store));
    await expectCode(() => models.resolve(), code);
  });

  it('an object without an ETag is refused', async () => {
    const store = newStore();
    store.headers = { etag: 'W/"weak"' };
    const models = modelsOf(await start(store));
    await expectCode(() => models.resolve(), 'source-malformed');
  });
});

describe('when the store refuses', () => {
  it.each([
    [403, 'AccessDenied', 'source-denied', /s3:ListBucket/],
    [403, 'SignatureDoesNotMatch', 'source-denied', /credentials are those of this store/],
    [403, 'RequestTimeTooSkewed', 'source-denied', /clock/],
    [403, 'InvalidObjectState', 'source-denied', /restore/],
    [404, 'NoSuchBucket', 'source-not-found', /AWS_ENDPOINT_URL_S3/],
    [301, 'PermanentRedirect', 'source-unsupported', /^set AWS_REGION=eu-south-2$/],
    [400, 'AuthorizationHeaderMalformed', 'source-unsupported', /^set AWS_REGION=eu-south-2$/],
  ] as const)('status %s %s is %s', async (status, said, code, hint) => {
    const store = newStore();
    const token = new Secret('the-session-token');
    store.instead = (request, response) => {
      response.writeHead(status, { 'x-amz-bucket-region': 'eu-south-2' });
      // As S3 does for a token that it does not accept.
      response.end(
        `<Error><Code>${said}</Code><Token-0>${request.headers['x-amz-security-token']}</Token-0></Error>`,
      );
      return true;
    };
    const server = await start(store);
    const settings = { credentials: { ...credentials, sessionToken: token } };
    const error = await expectCode(() => modelsOf(server, settings).resolve(), code);
    expect(error.hint).toMatch(hint);
    expect(server.seen[0]?.headers['x-amz-security-token']).toBe('the-session-token');
    const shown = JSON.stringify(error, Object.getOwnPropertyNames(error));
    expect(shown).not.toMatch(/the-session-token|Signature=/);
  });

  it('does not follow it elsewhere with the signature', async () => {
    const other = await start(newStore());
    const store = newStore();
    store.instead = (request, response) => {
      response.writeHead(307, { location: `${other.url}${request.url}` }).end();
      return true;
    };
    const error = await modelsOf(await start(store))
      .resolve()
      .catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(StowageError);
    expect(other.seen).toEqual([]);
  });

  it('says which variables to set if there is no account', async () => {
    const store = newStore();
    store.instead = (_, response) => {
      response.writeHead(403).end('<Code>AccessDenied</Code>');
      return true;
    };
    const { url } = await start(store);
    const s3 = async () => ({ endpoint: url, region: 'us-east-1', pathStyle: true });
    const { http } = testHttp();
    const resolve = () => s3Models({ http, s3 }).resolve({ source: SOURCE }, signal);
    expect((await expectCode(resolve, 'source-denied')).hint).toContain('AWS_ACCESS_KEY_ID');
  });
});
