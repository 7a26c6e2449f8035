import { createHash } from 'node:crypto';
import { truncateSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeSegment, parseHubRoute } from '../../src/depot/hub-api.ts';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import { ask, type Reply, Store } from './fixture.ts';
import { addModel, COMMIT, gitBlob } from './hub-fixture.ts';

const ID = 'example/tiny';
const WEIGHTS = Buffer.from('weights of a model, so to say');
const CONFIG = '{"layers":1}';
/** Of `a.b/f` and `a0/f` that say `x`, and `a/config.json` that says `{}`. */
const GIT_TREE = 'f27e647ec77904b739b6939fdd7dc5114a57ac67';
const OLD = '0'.repeat(40);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const store = new Store();
let depot: Depot;
const get = (path: string, headers: Record<string, string> = {}): Promise<Reply> =>
  ask(depot.host, path, { headers });
const head = (path: string, headers: Record<string, string> = {}): Promise<Reply> =>
  ask(depot.host, path, { method: 'HEAD', headers });
const json = (reply: Reply): unknown => JSON.parse(reply.body.toString());
const getJson = async (path: string): Promise<unknown> => json(await get(path));

beforeAll(async () => {
  addModel(
    store,
    {
      'config.json': CONFIG,
      'model.safetensors': WEIGHTS,
      'sub dir/ü.txt': 'hi',
      'sub dir/deep/er.txt': 'ho',
      'empty.txt': '',
      'Q4_K_M/tiny-Q4_K_M-00001-of-00002.gguf': 'a',
      'Q4_K_M/tiny-Q4_K_M-00002-of-00002.gguf': 'b',
      'tiny-Q8_0.gguf': 'c',
      'mmproj-f16.gguf': 'd',
    },
    { license: 'apache-2.0', tags: ['gguf', 'text-generation', 'en'] },
  );
  const older = { name: 'chat', version: '0.9.0', seq: 0, resolvedAt: '2026-10-01T00:00:00Z' };
  addModel(store, { 'config.json': '{}' }, { commit: OLD, revision: 'release/v1', release: older });
  depot = await startDepot(store, { address: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await depot.close();
  store.remove();
});

describe('when model information is requested', () => {
  it('describes the model', async () => {
    const info = await getJson(`/api/models/${ID}`);
    expect(info).toMatchObject({
      id: ID,
      modelId: ID,
      author: 'example',
      sha: COMMIT,
      private: false,
      gated: false,
      pipeline_tag: 'text-generation',
      library_name: 'gguf',
      tags: ['gguf', 'text-generation', 'en', 'license:apache-2.0'],
      lastModified: '2026-11-20T00:00:00.000Z',
    });
    const { siblings } = info as { siblings: object[] };
    expect(siblings).toHaveLength(9);
    expect(siblings).toContainEqual({ rfilename: 'sub dir/ü.txt' });
  });

  it('includes sizes and ids on request', async () => {
    const { siblings } = (await getJson(`/api/models/${ID}/revision/main?blobs=true`)) as {
      siblings: object[];
    };
    expect(siblings).toContainEqual({
      rfilename: 'config.json',
      size: CONFIG.length,
      blobId: gitBlob(Buffer.from(CONFIG)),
    });
    expect(siblings).toContainEqual({
      rfilename: 'model.safetensors',
      size: WEIGHTS.length,
      blobId: pointerId(WEIGHTS),
      lfs: { sha256: sha256(WEIGHTS), size: WEIGHTS.length, pointerSize: 127 },
    });
  });

  it.each([
    ['main', COMMIT],
    ['HEAD', COMMIT],
    [COMMIT, COMMIT],
    [OLD, OLD],
    ['release%2Fv1', OLD],
    ['release/v1', OLD],
  ])('takes %s for a revision', async (name, commit) => {
    expect(await getJson(`/api/models/${ID}/revision/${name}`)).toMatchObject({ sha: commit });
  });

  it('finds it by its name in any case, like the Hub', async () => {
    expect(await getJson('/api/models/Example/TINY')).toMatchObject({ id: ID });
  });

  it('lists its revisions', async () => {
    expect(await getJson(`/api/models/${ID}/refs`)).toEqual({
      branches: [
        { name: 'main', ref: 'refs/heads/main', targetCommit: COMMIT },
        { name: 'release/v1', ref: 'refs/heads/release/v1', targetCommit: OLD },
      ],
      converts: [],
      tags: [],
      pullRequests: [],
    });
  });

  it('lists the model', async () => {
    const ids = async (query: string): Promise<string[]> =>
      ((await getJson(`/api/models${query}`)) as { id: string }[]).map(({ id }) => id);
    expect(await ids('')).toEqual([ID]);
    expect(await ids('?search=TIN&author=Example&limit=1')).toEqual([ID]);
    expect(await ids('?search=other')).toEqual([]);
    expect(await ids('?author=exam')).toEqual([]);
  });

  it('never mentions Xet', async () => {
    for (const path of [`/api/models/${ID}?blobs=true`, `/api/models/${ID}/tree/main?recursive=1`])
      expect((await get(path)).body.toString()).not.toMatch(/xet/i);
    const { headers } = await head(`/${ID}/resolve/main/model.safetensors`);
    expect(Object.keys(headers).join()).not.toMatch(/xet|link/i);
  });
});

describe('when files are listed', () => {
  it('lists a folder', async () => {
    const entries = (await getJson(`/api/models/${ID}/tree/main`)) as { path: string }[];
    expect(entries.map(({ path }) => path)).toEqual(
      [
        'Q4_K_M',
        'config.json',
        'empty.txt',
        'mmproj-f16.gguf',
        'model.safetensors',
        'sub dir',
      ].concat('tiny-Q8_0.gguf'),
    );
    expect(entries).toContainEqual({
      type: 'file',
      oid: pointerId(WEIGHTS),
      size: WEIGHTS.length,
      path: 'model.safetensors',
      lfs: { oid: sha256(WEIGHTS), size: WEIGHTS.length, pointerSize: 127 },
    });
    expect(entries).toContainEqual({
      type: 'directory',
      oid: expect.stringMatching(/^[0-9a-f]{40}$/),
      size: 0,
      path: 'sub dir',
    });
  });

  it.each([
    ['sub%20dir', ['sub dir/deep', 'sub dir/ü.txt']],
    ['sub%20dir%2Fdeep', ['sub dir/deep/er.txt']],
    ['sub%20dir/deep/', ['sub dir/deep/er.txt']],
    ['sub%20dir?recursive=True', ['sub dir/deep', 'sub dir/deep/er.txt', 'sub dir/ü.txt']],
  ])('lists %s', async (folder, paths) => {
    const entries = (await getJson(`/api/models/${ID}/tree/${COMMIT}/${folder}`)) as {
      path: string;
    }[];
    expect(entries.map(({ path }) => path)).toEqual(paths);
  });

  it('gives folders the ids of git write-tree', async () => {
    const own = new Store();
    addModel(own, { 'x/a.b/f': 'x', 'x/a/config.json': '{}', 'x/a0/f': 'x' });
    const other = await startDepot(own, { address: '127.0.0.1', port: 0 });
    const reply = await ask(other.host, `/api/models/${ID}/tree/main?recursive=true`);
    await other.close();
    own.remove();
    expect(json(reply)).toContainEqual(expect.objectContaining({ path: 'x', oid: GIT_TREE }));
  });

  it('includes the last commit of each entry on request', async () => {
    const [first] = (await getJson(`/api/models/${ID}/tree/main?expand=true`)) as object[];
    expect(first).toMatchObject({
      lastCommit: { id: COMMIT, title: 'carried by chat 1.0.0', date: '2026-11-20T00:00:00.000Z' },
    });
  });

  it('lists in pages, with a URL that clients can follow', async () => {
    const paths: string[] = [];
    let next: string | undefined =
      `http://${depot.host}/api/models/${ID}/tree/main?recursive=true&limit=4`;
    let pages = 0;
    while (next !== undefined) {
      pages += 1;
      const reply: Response = await fetch(next);
      for (const { path } of (await reply.json()) as { path: string }[]) paths.push(path);
      next = /^<([^>]+)>; rel="next"$/.exec(reply.headers.get('link') ?? '')?.[1];
    }
    expect(pages).toBe(3);
    expect(new Set(paths).size).toBe(12);
  });

  it('sends llama.cpp everything in one page', async () => {
    const path = `/api/models/${ID}/tree/main?recursive=true&limit=4`;
    const reply = await get(path, { 'User-Agent': 'llama-cpp/b7000' });
    expect(json(reply)).toHaveLength(12);
    expect(reply.headers['link']).toBeUndefined();
  });

  it.each([
    ['a form', 'application/x-www-form-urlencoded', 'paths=config.json&paths=sub+dir&expand=True'],
    ['JSON', 'application/json', '{"paths":["config.json","sub dir","none"],"expand":true}'],
  ])('tells of some paths, asked by %s', async (_, type, body) => {
    const reply = await ask(depot.host, `/api/models/${ID}/paths-info/main`, {
      method: 'POST',
      headers: { 'Content-Type': type },
      body,
    });
    expect(json(reply)).toMatchObject([
      { type: 'file', path: 'config.json', lastCommit: { id: COMMIT } },
      { type: 'directory', path: 'sub dir' },
    ]);
  });

  it.each([
    ['no JSON', '{'],
    ['a number', '7'],
    ['no list', '{"paths":{"0":"a"}}'],
    ['too much', JSON.stringify({ paths: ['x'.repeat(2_000_000)] })],
  ])('refuses %s as a list of paths', async (_, body) => {
    const reply = await ask(depot.host, `/api/models/${ID}/paths-info/main`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    expect(reply.status).toBe(400);
  });
});

describe('when a file is downloaded', () => {
  const path = `/${ID}/resolve/main/model.safetensors`;

  it('has the headers that clients need', async () => {
    const { status, headers, body } = await head(path, { 'Accept-Encoding': 'gzip' });
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'x-repo-commit': COMMIT,
      etag: `"${sha256(WEIGHTS)}"`,
      'content-length': String(WEIGHTS.length),
      'accept-ranges': 'bytes',
    });
    expect(headers['content-encoding']).toBeUndefined();
    expect(body).toHaveLength(0);
    const { headers: config } = await head(`/${ID}/resolve/${COMMIT}/config.json`);
    expect(config['etag']).toBe(`"${gitBlob(Buffer.from(CONFIG))}"`);
  });

  it.each([
    ['all', {}, 200, WEIGHTS],
    ['a range', { Range: 'bytes=2-5' }, 206, WEIGHTS.subarray(2, 6)],
    ['the rest', { Range: 'bytes=8-' }, 206, WEIGHTS.subarray(8)],
    ['too far a range', { Range: 'bytes=29-' }, 416, Buffer.alloc(0)],
    ['several ranges', { Range: 'bytes=0-1,3-4' }, 200, WEIGHTS],
    ['a fresh range', { Range: 'bytes=0-0', 'If-Range': `"${sha256(WEIGHTS)}"` }, 206, 'w'],
    ['a stale range', { Range: 'bytes=0-0', 'If-Range': '"other"' }, 200, WEIGHTS],
    ['what is known', { 'If-None-Match': `"${sha256(WEIGHTS)}"` }, 304, Buffer.alloc(0)],
    ['what is not', { 'If-None-Match': '"other"' }, 200, WEIGHTS],
  ])('gives %s', async (_, headers, status, bytes) => {
    const reply = await get(path, headers as Record<string, string>);
    expect(reply.status).toBe(status);
    expect(reply.body).toEqual(Buffer.from(bytes));
    expect(reply.headers['x-repo-commit']).toBe(COMMIT);
  });

  it('sends files as git stores them', async () => {
    const pointer = await get(`/${ID}/raw/main/model.safetensors`);
    expect(gitBlob(pointer.body)).toBe(pointerId(WEIGHTS));
    expect((await get(`/${ID}/raw/main/config.json`)).body.toString()).toBe(CONFIG);
    expect((await head(`/${ID}/raw/main/none`)).headers['x-error-code']).toBe('EntryNotFound');
  });

  it('sends files of older commits', async () => {
    expect((await get(`/${ID}/resolve/release%2Fv1/config.json`)).body.toString()).toBe('{}');
    expect((await get(`/${ID}/resolve/release/v1/config.json`)).body.toString()).toBe('{}');
    expect((await get(`/${ID}/resolve/${OLD}/model.safetensors`)).status).toBe(404);
  });

  it.each(['sub%20dir/%C3%BC.txt', 'sub%20dir%2f%c3%bc.txt'])('finds %s', async (name) => {
    expect((await get(`/${ID}/resolve/main/${name}`)).body.toString()).toBe('hi');
  });

  it('reports the size of an empty file when its first byte is requested', async () => {
    const empty = `/${ID}/resolve/main/empty.txt`;
    const ranged = await get(empty, { Range: 'bytes=0-0' });
    expect([ranged.status, ranged.headers['content-range']]).toEqual([200, 'bytes 0-0/0']);
    const plain = await head(empty);
    expect([plain.status, plain.headers['content-length']]).toEqual([200, '0']);
    expect(plain.headers['content-range']).toBeUndefined();
  });

  it('sends no truncated or wrong content when the store is damaged', async () => {
    const own = new Store();
    const model = addModel(own, { 'model.safetensors': WEIGHTS });
    for (const { digest } of model.files) truncateSync(own.blobPath(digest), 3);
    const other = await startDepot(own, { address: '127.0.0.1', port: 0 });
    const reply = await ask(other.host, path);
    await other.close();
    own.remove();
    expect(reply.status).toBe(500);
    expect(reply.body.toString()).not.toContain(own.folder);
  });
});

describe('when something does not exist', () => {
  it.each([
    ['/api/models/example/none', 404, 'RepoNotFound'],
    ['/api/models/tiny', 404, 'RepoNotFound'],
    ['/api/models/example/none/tree/main', 404, 'RepoNotFound'],
    ['/example/none/resolve/main/config.json', 404, 'RepoNotFound'],
    ['/tiny/resolve/main/config.json', 404, 'RepoNotFound'],
    ['/api/datasets/example/tiny', 404, 'RepoNotFound'],
    ['/api/spaces/example/tiny/tree/main', 404, 'RepoNotFound'],
    ['/datasets/example/tiny/resolve/main/config.json', 404, 'RepoNotFound'],
    [`/api/models/${ID}/revision/none`, 404, 'RevisionNotFound'],
    [`/api/models/${ID}/revision/main/more`, 404, 'RevisionNotFound'],
    [`/api/models/${ID}/tree/none`, 404, 'RevisionNotFound'],
    [`/${ID}/resolve/${'f'.repeat(40)}/config.json`, 404, 'RevisionNotFound'],
    [`/${ID}/resolve/${COMMIT.slice(0, 7)}/config.json`, 404, 'RevisionNotFound'],
    [`/${ID}/resolve/main/none.json`, 404, 'EntryNotFound'],
    [`/${ID}/resolve/main/`, 404, 'EntryNotFound'],
    [`/${ID}/resolve/main/sub%20dir`, 404, 'EntryNotFound'],
    [`/${ID}/resolve/main//config.json`, 404, 'EntryNotFound'],
    [`/${ID}/resolve/main/../main/config.json`, 404, 'EntryNotFound'],
    [`/${ID}/resolve/main/__proto__`, 404, 'EntryNotFound'],
    [`/api/models/${ID}/tree/main/additional_chat_templates`, 404, 'EntryNotFound'],
    ['/api/agent-harnesses', 404, undefined],
    [`/api/models/${ID}/xet-read-token/main`, 404, undefined],
    ['/api/whoami-v2', 401, undefined],
    [`/${ID}/resolve/main/%ff`, 400, undefined],
  ])('says so: %s', async (path, status, code) => {
    const reply = await get(path);
    expect([reply.status, reply.headers['x-error-code']]).toEqual([status, code]);
    expect(json(reply)).toEqual({ error: reply.headers['x-error-message'] });
    const commit = code === 'EntryNotFound' ? COMMIT : undefined;
    expect(reply.headers['x-repo-commit']).toBe(commit);
  });

  it.each(['PUT', 'POST', 'DELETE', 'PATCH'])('refuses %s', async (method) => {
    for (const path of [
      `/api/models/${ID}`,
      `/${ID}/resolve/main/config.json`,
      '/api/repos/create',
    ])
      expect((await ask(depot.host, path, { method })).status).toBe(405);
  });

  it('reports a user for an accepted token', async () => {
    const reply = await get('/api/whoami-v2', { Authorization: 'Bearer hf_x' });
    expect(json(reply)).toMatchObject({ type: 'user', name: 'depot' });
    expect(reply.body.toString()).not.toContain('hf_x');
  });
});

describe('when a proxy adds a path prefix', () => {
  it('answers with and without the prefix, pages included', async () => {
    const other = await startDepot(store, {
      address: '127.0.0.1',
      port: 0,
      hubPrefix: '/mirror/hub',
    });
    const reply = (path: string): Promise<Reply> => ask(other.host, path);
    try {
      for (const before of ['', '/mirror/hub']) {
        expect((await reply(`${before}/${ID}/resolve/main/config.json`)).status).toBe(200);
        const page = await reply(`${before}/api/models/${ID}/tree/main?limit=1`);
        expect(page.headers['link']).toContain(`<http://${other.host}${before}/api/models/`);
      }
      expect((await reply(`/mirror/${ID}/resolve/main/config.json`)).status).toBe(404);
    } finally {
      await other.close();
    }
  });
});

describe('when a llama.cpp of 2025 resolves a tag', () => {
  it.each([
    ['latest', 'Q4_K_M/tiny-Q4_K_M-00001-of-00002.gguf'],
    ['Q4_K_M', 'Q4_K_M/tiny-Q4_K_M-00001-of-00002.gguf'],
    ['q8_0', 'tiny-Q8_0.gguf'],
    ['Q2_K', undefined],
  ])('finds the file of %s', async (tag, rfilename) => {
    const reply = await get(`/v2/${ID}/manifests/${tag}`, { 'User-Agent': 'llama-cpp' });
    if (rfilename === undefined) expect(reply.status).toBe(404);
    else
      expect(json(reply)).toMatchObject({
        ggufFile: { rfilename },
        mmprojFile: { rfilename: 'mmproj-f16.gguf' },
      });
  });

  it('leaves the path to the registry for all other clients', async () => {
    const reply = await get(`/v2/${ID}/manifests/latest`);
    expect(reply.headers['docker-distribution-api-version']).toBe('registry/2.0');
  });
});

describe('when paths are hostile', () => {
  const piece = fc.oneof(
    fc.constantFrom('..', '.', '', '%2e%2e', '%2F', '%2f..%2f', '%5c', 'main', COMMIT, 'example'),
    fc.constantFrom('tiny', 'resolve', 'api', 'models', 'tree', 'config.json', '%00', '%c0%af'),
    fc.string({ unit: 'grapheme', maxLength: 20 }).map(encodeURIComponent.bind(null)),
    fc.constant('a'.repeat(3000)),
  );

  it('answers only with files of the model', async () => {
    const known = new Set(
      store.hubModels.flatMap(({ files }) => files.map(({ digest }) => digest)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 6 }), fc.boolean(), async (pieces, api) => {
        const path = `${api ? `/api/models/${ID}/` : `/${ID}/resolve/`}${pieces.join('/')}`;
        const reply = await get(path);
        expect([200, 304, 400, 401, 404, 405, 431]).toContain(reply.status);
        if (reply.status !== 200 || reply.headers['etag'] === undefined) return;
        expect(known).toContain(`sha256:${sha256(reply.body)}`);
      }),
      { numRuns: 150 },
    );
  });

  it('answers a very long path', async () => {
    const reply = await get(`/${ID}/resolve/main/${'%c3%bc/'.repeat(2000)}x`);
    expect(reply.status).toBe(404);
  });
});

function pointerId(bytes: Uint8Array): string {
  const text = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${bytes.length}\n`;
  return gitBlob(Buffer.from(text));
}

const rest = (path: string): readonly string[] | string | undefined => {
  const route = parseHubRoute(path);
  return route !== undefined && 'rest' in route ? route.rest : route?.kind;
};

describe('when a path is parsed', () => {
  it.each([
    ['/api/models', 'models'],
    ['/api/models/', 'models'],
    ['/api/models/a/b', 'info'],
    ['/api/models/a%2Fb', 'info'],
    ['/api/models/gpt2', 'info'],
    ['/api/models/a/b/revision/main', 'revision'],
    ['/api/models/a/b/tree/main', 'tree'],
    ['/api/models/a/b/paths-info/main', 'paths-info'],
    ['/api/models/a/b/refs', 'refs'],
    ['/api/models/a/b/auth-check', 'auth-check'],
    ['/api/models/a/b/xet-read-token/main', 'unknown'],
    ['/api/whoami-v2', 'whoami'],
    ['/api/agent-harnesses', 'unknown'],
    ['/api/datasets/a/b', 'foreign'],
    ['/api/spaces/a/b/tree/main', 'foreign'],
    ['/datasets/a/b/resolve/main/x', 'foreign'],
    ['/gpt2/resolve/main/x', 'foreign'],
    ['/a/b/resolve/main/x', 'resolve'],
    ['/a/b/resolve/main/%zz', 'malformed'],
    ['/a/b/resolve/main/%ff', 'malformed'],
    ['/a/b/resolve/main/%00', 'malformed'],
    ['/a/b/raw/main/x', 'raw'],
    ['/a/b/blob/main/x', undefined],
    ['/', undefined],
    ['', undefined],
    ['/v2/', undefined],
    ['/apix', undefined],
  ])('sees in %s %s', (path, kind) => {
    expect(parseHubRoute(path)?.kind).toBe(kind);
  });

  it.each([
    ['/a/b/resolve/refs%2Fpr%2F1/x/y.json', ['refs', 'pr', '1', 'x', 'y.json']],
    ['/a/b/resolve/refs/pr/1/x/y.json', ['refs', 'pr', '1', 'x', 'y.json']],
    ['/api/models/a/b/tree/main/x%2Fy', ['main', 'x', 'y']],
    ['/a/b/resolve/main/sub%20dir/%C3%BC.txt', ['main', 'sub dir', 'ü.txt']],
    ['/a/b/resolve/main/\xc3\xbc.txt', ['main', 'ü.txt']],
    ['/a/b/resolve/main/..%2f..%2Fetc/passwd', ['main', '..', '..', 'etc', 'passwd']],
    ['/a/b/resolve/main/%252e', ['main', '%2e']],
    ['/a/b/resolve/main//x', ['main', '', 'x']],
  ])('decodes %s once', (path, segments) => {
    expect(rest(path)).toEqual(segments);
  });

  it('decodes any encoded name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (name) => {
        if (!name.isWellFormed() || name.includes('\0')) return;
        expect(decodeSegment(encodeURIComponent(name))).toBe(name);
        const route = parseHubRoute(`/a/b/resolve/${encodeURIComponent(name)}/f`);
        const segments = route !== undefined && 'rest' in route ? route.rest : [];
        expect(segments.slice(0, -1).join('/')).toBe(name);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (a, b) => {
        for (const path of [a, `/api/models/${a}/${b}`, `/${a}/${b}/resolve/${b}/${a}`])
          parseHubRoute(path);
      }),
    );
  });
});
