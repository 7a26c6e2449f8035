import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '../../src/net/secret.ts';
import { gitBlobHash } from '../../src/source/git-objects.ts';
import { createHub, type Hub } from '../../src/source/hugging-face.ts';
import { startHub, type Hub as TestHub } from '../lab/hub.ts';
import { drain, never, serve, testHttp } from '../net/server.ts';
import { expectCode } from '../support/error.ts';

const token = 'hf_read-everything-0123456789';
const config = Buffer.from('{"architectures":["X"]}');
const weights = Buffer.alloc(100_000, 'weights ');
const folder = mkdtempSync(join(tmpdir(), 'stowage-hub-'));
let upstream: TestHub;

beforeAll(async () => {
  await mkdir(join(folder, 'sub dir'));
  writeFileSync(join(folder, 'config.json'), config);
  writeFileSync(join(folder, 'model.safetensors'), weights);
  writeFileSync(join(folder, 'sub dir', 'ü+#?%.txt'), 'hi');
  upstream = await startHub({
    redirect: true,
    pageSize: 1,
    tokens: { [token]: ['acme/gated'], hf_stranger: [] },
    repos: [
      { name: 'acme/tiny', revisions: { main: folder, v1: folder }, license: 'apache-2.0' },
      { name: 'acme/gated', revisions: { main: folder }, gated: 'manual' },
      { name: 'acme/private', revisions: { main: folder }, private: true },
    ],
  });
});

afterAll(async () => {
  await upstream.stop();
  rmSync(folder, { recursive: true });
});

function hub(as?: string, endpoint = upstream.url): Hub {
  const settings = as === undefined ? { endpoint } : { endpoint, token: new Secret(as) };
  return createHub(settings, testHttp().http);
}

function gitOid(bytes: Buffer): string {
  const { algorithm, prefix } = gitBlobHash(bytes.length);
  return createHash(algorithm).update(prefix).update(bytes).digest('hex');
}

describe('when a repository exists', () => {
  it('resolves a revision to a commit and every file, over pages', async () => {
    const model = await hub().resolve('hf://acme/tiny@v1', never);
    expect(model).toMatchObject({
      repository: 'acme/tiny',
      endpoint: upstream.url,
      commit: upstream.commit('acme/tiny', 'v1'),
      license: 'apache-2.0',
      gated: false,
      tags: ['license:apache-2.0'],
    });
    const sorted = [...model.files].sort((a, b) => (a.path < b.path ? -1 : 1));
    expect(sorted).toEqual([
      {
        path: 'config.json',
        size: config.length,
        gitOid: gitOid(config),
        hubScan: 'safe',
      },
      {
        path: 'model.safetensors',
        size: weights.length,
        lfsSha256: createHash('sha256').update(weights).digest('hex'),
        hubScan: 'safe',
      },
      {
        path: 'sub dir/ü+#?%.txt',
        size: 2,
        gitOid: gitOid(Buffer.from('hi')),
        hubScan: 'safe',
      },
    ]);
  });

  it('means main without a revision', async () => {
    const model = await hub().resolve('hf://acme/tiny', never);
    expect(model.commit).toBe(upstream.commit('acme/tiny', 'main'));
  });

  it('returns files with any name, from any offset', async () => {
    const model = await hub().resolve('hf://acme/tiny', never);
    const strange = await hub().file(model, 'sub dir/ü+#?%.txt');
    expect((await drain(await strange.open(0, never))).toString()).toBe('hi');
    const large = await hub().file(model, 'model.safetensors');
    expect(await drain(await large.open(0, never))).toEqual(weights);
    expect(await drain(await large.open(99_990, never))).toEqual(weights.subarray(99_990));
  });

  it('sends the token to the Hub and not to the storage behind it', async () => {
    const model = await hub(token).resolve('hf://acme/gated', never);
    upstream.requests.length = 0;
    await drain(await (await hub(token).file(model, 'model.safetensors')).open(0, never));
    expect(upstream.requests.map(({ origin, headers }) => [origin, headers.authorization])).toEqual(
      [
        ['hub', `Bearer ${token}`],
        ['storage', undefined],
      ],
    );
  });
});

describe('when a repository is not available', () => {
  it('reports, without a token, that it is absent or private', async () => {
    for (const source of ['hf://acme/absent', 'hf://acme/private']) {
      const error = await expectCode(() => hub().resolve(source, never), 'source-not-found');
      expect(error.message).toContain('does not exist, or is private');
      expect(error.hint).toContain('HF_TOKEN');
    }
  });

  it('reports the same with a token that lacks access', async () => {
    await expectCode(() => hub(token).resolve('hf://acme/private', never), 'source-not-found');
  });

  it('names a revision that is absent', async () => {
    const error = await expectCode(
      () => hub().resolve('hf://acme/tiny@v9', never),
      'source-not-found',
    );
    expect(error.message).toBe('acme/tiny has no revision v9');
  });

  it('names a file that is absent', async () => {
    const model = await hub().resolve('hf://acme/tiny', never);
    const absent = await hub().file(model, 'absent.bin');
    const error = await expectCode(() => absent.open(0, never), 'source-not-found');
    expect(error.message).toContain('absent.bin');
  });

  it('says where to accept the license of a gated model, before downloading anything', async () => {
    for (const as of [undefined, 'hf_stranger']) {
      const error = await expectCode(
        () => hub(as).resolve('hf://acme/gated', never),
        'source-gated',
      );
      expect(error.hint).toContain(`accept its license at ${upstream.url}/acme/gated`);
      expect(error.hint).toContain('HF_TOKEN');
    }
  });

  it('reports a refused token, but does not print it', async () => {
    const stale = 'hf_stale-token-9876543210';
    const error = await expectCode(
      () => hub(stale).resolve('hf://acme/tiny', never),
      'source-denied',
    );
    expect(error.hint).toContain('token');
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(stale);
  });

  it('reports that the Hub cannot be reached', async () => {
    const server = await serve((request) => request.socket.destroy());
    const error = await expectCode(
      () => hub(token, server.url).resolve('hf://acme/tiny', never),
      'source-unreachable',
    );
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(token);
  });
});

describe('when a path would leave its repository', () => {
  it.each(['../../other/resolve/main/x', 'a/../b', './a', '/etc/passwd', 'a//b', ''])(
    'refuses %j',
    async (path) => {
      const model = { repository: 'acme/tiny', commit: 'a'.repeat(40) };
      await expectCode(() => hub().file(model, path), 'path-unsafe');
    },
  );

  it('refuses an invalid repository name', async () => {
    const model = { repository: '../api', commit: 'a'.repeat(40) };
    await expectCode(() => hub().file(model, 'config.json'), 'path-unsafe');
  });
});

describe('when a mirror answers', () => {
  const info = { id: 'acme/m', sha: 'b'.repeat(40), gated: false, tags: [] };
  const file = { type: 'file', path: 'a.txt', size: 1, oid: 'c'.repeat(40) };
  const lfs = { oid: 'd'.repeat(64), size: 1, pointerSize: 134 };

  interface Answers {
    readonly info?: unknown;
    readonly tree?: (page: number) => unknown;
    readonly link?: (page: number) => string | undefined;
  }

  async function mirror(answers: Answers, as?: string): Promise<Hub> {
    const server = await serve((request, response) => {
      const url = new URL(request.url ?? '', 'http://mirror.invalid');
      const page = Number(url.searchParams.get('cursor') ?? 0);
      const tree = url.pathname.startsWith(`/prefix/hf/api/models/acme/m/tree/${info.sha}`);
      const link = tree ? answers.link?.(page) : undefined;
      if (link !== undefined) response.setHeader('link', link);
      const body = tree ? (answers.tree?.(page) ?? [file]) : (answers.info ?? info);
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    return hub(as, `${server.url}/prefix/hf`);
  }

  it('under a path, sends requests under that path', async () => {
    const model = await (await mirror({})).resolve('hf://acme/m', never);
    expect(model.files).toEqual([{ path: 'a.txt', size: 1, gitOid: file.oid }]);
  });

  it.each([
    ['relative', '</prefix/hf/x?cursor=1>; rel="next"'],
    ['without quotes', '<http://127.0.0.1/x?cursor=1>;rel=next'],
    ['of a name that only the mirror knows', '<http://inside.invalid/x?cursor=1>; rel="next"'],
    ['after another', '<http://h/x?cursor=7>; rel="first", <http://h/x?cursor=1>; rel="next"'],
  ])('with a link to the next page that is %s, reads that page too', async (_, link) => {
    const answers: Answers = {
      tree: (page) => [{ ...file, path: `${page}.txt` }],
      link: (page) => (page === 0 ? link : undefined),
    };
    const model = await (await mirror(answers, token)).resolve('hf://acme/m', never);
    expect(model.files.map(({ path }) => path)).toEqual(['0.txt', '1.txt']);
  });

  it('with circular pages, stops', async () => {
    const circle = await mirror({ link: () => '<?recursive=true&expand=false>; rel="next"' });
    await expectCode(() => circle.resolve('hf://acme/m', never), 'source-malformed');
  });

  it.each([
    ['no JSON', { info: `<html>${token}</html>` }],
    ['a list for an object', { info: [] }],
    ['a short commit', { info: { ...info, sha: 'abc' } }],
    ['an object for a list', { tree: () => ({}) }],
    ['an entry without a path', { tree: () => [{ ...file, path: undefined }] }],
    ['a file without an id', { tree: () => [{ ...file, oid: undefined }] }],
    ['a file with a strange id', { tree: () => [{ ...file, oid: 'C'.repeat(40) }] }],
    ['a file of no size', { tree: () => [{ ...file, size: -1 }] }],
    ['an LFS file with a short oid', { tree: () => [{ ...file, lfs: { ...lfs, oid: 'd' } }] }],
    ['an LFS file of two sizes', { tree: () => [{ ...file, lfs: { ...lfs, size: 2 } }] }],
  ] as const)('with %s, is refused', async (_, answers) => {
    const wrong = await mirror(answers as Answers, token);
    const error = await expectCode(() => wrong.resolve('hf://acme/m', never), 'source-malformed');
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(token);
  });

  it('with a submodule, is refused', async () => {
    const wrong = await mirror({ tree: () => [{ ...file, type: 'commit' }] });
    await expectCode(() => wrong.resolve('hf://acme/m', never), 'source-unsupported');
  });

  it('with a commit other than the requested one, is refused', async () => {
    const source = `hf://acme/m@${'e'.repeat(40)}`;
    await expectCode(async () => (await mirror({})).resolve(source, never), 'source-malformed');
  });

  it.each([
    [{ tags: ['license:mit'] }, 'mit'],
    [{ tags: ['license:other'], cardData: { license: 'other' } }, 'other'],
    [{ tags: [], cardData: { license: 'other', license_name: 'nvidia-open' } }, 'nvidia-open'],
    [{ tags: [] }, undefined],
    [{ tags: 'x', cardData: [] }, undefined],
  ])('with %j, has the license %s', async (said, license) => {
    const model = await (await mirror({ info: { ...info, ...said } })).resolve(
      'hf://acme/m',
      never,
    );
    expect(model.license).toBe(license);
  });

  it('with unsafe paths, returns them unchanged', async () => {
    const path = '../../etc/passwd';
    const unsafe = await mirror({ tree: () => [{ ...file, path }] });
    const { files } = await unsafe.resolve('hf://acme/m', never);
    expect(files[0]?.path).toBe(path);
  });
});
