import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StowageError } from '../../../src/core/error.ts';
import { exportHubCache } from '../../../src/depot/hub-cache.ts';
import { type Depot, startDepot } from '../../../src/depot/server.ts';
import type { Bundle } from '../../../src/format/bundle.ts';
import { NOTED_FROM_BYTES } from '../../../src/io/noted-sums.ts';
import { SiteCatalog } from '../../../src/site/catalog/site-catalog.ts';
import { emptyGeneration, switchTo } from '../../../src/site/generations.ts';
import type { RefusedRelease } from '../../../src/site/release/release.ts';
import type { SiteFolder } from '../../../src/site/site-folder.ts';
import { ask as askDepot, type Reply } from '../../depot/fixture.ts';
import { context } from '../../support/context.ts';
import { release as deployed } from '../../support/deployed.ts';
import { expectCode } from '../../support/error.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import {
  contradictions,
  resign,
  type SmallBundle,
  smallBundle,
} from '../../support/small-bundle.ts';
import { plant, stageAt, stagedSite } from '../../support/staged-site.ts';

const scratch = scratchFolder();
let one: SmallBundle;
let two: SmallBundle;
let site: SiteFolder;
let depot: Depot;
const troubles: unknown[] = [];

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string; readonly size: number }[];
}

const get = (path: string, headers: Record<string, string> = {}): Promise<Reply> =>
  askDepot(depot.host, path, { headers });
const json = async <T>(path: string): Promise<T> =>
  JSON.parse((await get(path)).body.toString()) as T;
const sha256 = (bytes: Buffer): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const options = (wanted: readonly string[] = []) => ({
  site,
  wanted,
  onError: (error: unknown) => void troubles.push(error),
  onRefused: (refused: RefusedRelease) => void troubles.push(refused),
});

beforeAll(async () => {
  one = await smallBundle({ place: scratch.fresh(), crumbs: 3 });
  two = await smallBundle({
    ...{ place: scratch.fresh(), authority: one.authority, version: '1.1.0', seq: 2 },
  });
  site = await stagedSite(scratch.fresh('site'), [one]);
  depot = await startDepot(await SiteCatalog.open(options()), { address: '127.0.0.1', port: 0 });
});

afterAll(() => depot.close());

describe('when a site serves what it imported', () => {
  it('has a repository for each image, model and file, and for where images come from', async () => {
    expect(await json('/v2/_catalog')).toEqual({
      repositories: [
        'chat/server',
        'chat/settings',
        'chat/settings-car',
        'chat/tiny',
        'chat/tiny-car',
        'registry.example/server',
      ],
    });
  });

  it.each([
    ['/v2/chat/server/manifests/1.0.0', ''],
    ['/v2/registry.example/server/manifests/1', ''],
    ['/v2/server/manifests/1', ''],
    ['/v2/server/manifests/1', '?ns=registry.example'],
  ])('gives the image by %s%s', async (path, query) => {
    const reply = await get(path + query);
    expect(reply.status).toBe(200);
    expect(sha256(reply.body)).toBe(one.bundle.images[0]?.target.digest);
  });

  it('gives a model as the artifact that describes it, by version and by commit', async () => {
    const [model] = one.bundle.models;
    for (const tag of ['1.0.0', model?.commit ?? '']) {
      const reply = await get(`/v2/chat/tiny/manifests/${tag}`);
      expect(sha256(reply.body)).toBe(model?.manifest);
    }
    const manifest = await json<Manifest>('/v2/chat/tiny/manifests/1.0.0');
    for (const { digest } of [manifest.config, ...manifest.layers])
      expect(sha256((await get(`/v2/chat/tiny/blobs/${digest}`)).body)).toBe(digest);
  });

  it('takes notice of a release that is imported, and of one that goes', async () => {
    expect((await get('/v2/chat/server/manifests/1.1.0')).status).toBe(404);
    await stageAt(site, two);
    expect((await get('/v2/chat/server/manifests/1.1.0')).status).toBe(200);
    expect(await json('/v2/chat/server/tags/list')).toMatchObject({ tags: ['1.0.0', '1.1.0'] });
    const moved = await get('/v2/registry.example/server/manifests/1');
    expect(sha256(moved.body)).toBe(two.bundle.images[0]?.target.digest);
    rmSync(site.path('releases', two.id.slice(0, 32)), { recursive: true });
    expect((await get('/v2/chat/server/manifests/1.1.0')).status).toBe(404);
  });

  it('prefers what is installed to what was only imported later: its images, and main of its models', async () => {
    await stageAt(site, two);
    const served = async (): Promise<unknown[]> => {
      const moved = await get('/v2/registry.example/server/manifests/1');
      const { sha } = await json<{ sha: string }>('/api/models/example/tiny');
      return [sha256(moved.body), sha];
    };
    const expected = ({ bundle }: SmallBundle): unknown[] => [
      bundle.images[0]?.target.digest,
      bundle.models[0]?.commit,
    ];
    expect(await served()).toEqual(expected(two));
    const releases = [deployed({ bundle: one.id, version: '1.0.0' })];
    await switchTo(site, { ...emptyGeneration, number: 1, releases });
    expect(await served()).toEqual(expected(one));
    await switchTo(site, emptyGeneration);
    expect(await served()).toEqual(expected(two));
    rmSync(site.path('releases', two.id.slice(0, 32)), { recursive: true });
  });

  it('goes on with what it had when a release cannot be read', async () => {
    const strange = site.path('releases', 'f'.repeat(32));
    writeFileSync(strange, 'no folder');
    expect((await get('/v2/chat/server/manifests/1.0.0')).status).toBe(200);
    expect(troubles).toMatchObject([{ name: 'f'.repeat(32), error: { code: 'file-missing' } }]);
    rmSync(strange);
    expect((await get('/v2/chat/server/manifests/1.0.0')).status).toBe(200);
  });

  it('serves the releases that were named, and no other', async () => {
    await expectCode(() => SiteCatalog.open(options(['other'])), 'release-unknown');
    const named = await SiteCatalog.open(options(['chat@1.0.0']));
    expect(named.releases().map(({ id }) => id)).toEqual([one.id]);
  });
});

describe('when a model is asked for as an image', () => {
  it('gives layers that are tars of its files, which lie nowhere', async () => {
    const blobs = readdirSync(site.path('store/blobs/sha256'));
    const manifest = await json<Manifest>('/v2/chat/tiny-car/manifests/1.0.0');
    const folder = scratch.fresh('car');
    for (const { digest, size } of manifest.layers) {
      const { body } = await get(`/v2/chat/tiny-car/blobs/${digest}`);
      expect([sha256(body), body.length]).toEqual([digest, size]);
      execFileSync('mkdir', ['-p', folder]);
      execFileSync('tar', ['-x', '-C', folder], { input: body });
    }
    for (const { path, digest } of one.bundle.models[0]?.files ?? [])
      expect(sha256(readFileSync(join(folder, 'models', path)))).toBe(digest);
    expect(readdirSync(site.path('store/blobs/sha256'))).toEqual(blobs);
  });

  it('calculates its digests once', async () => {
    const [kept] = readdirSync(site.path('store/cars'));
    const path = site.path('store/cars', kept ?? '');
    const before = readFileSync(path, 'utf8');
    const fresh = await SiteCatalog.open(options());
    const entry = fresh.repositories().find(({ repository }) => repository === 'chat/tiny-car');
    const [digest] = [...((await entry?.make?.())?.manifests.keys() ?? [])];
    expect(sha256((await get('/v2/chat/tiny-car/manifests/1.0.0')).body)).toBe(digest);
    writeFileSync(path, '{"damaged"');
    await entry?.make?.();
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(existsSync(path)).toBe(true);
  });

  it.each([
    [0, 0],
    [511, 513],
    [1000, 7000],
    [5000, 9000],
  ])('gives bytes %i to %i of a layer', async (first, last) => {
    const manifest = await json<Manifest>('/v2/chat/tiny-car/manifests/1.0.0');
    const path = `/v2/chat/tiny-car/blobs/${manifest.layers[0]?.digest}`;
    const whole = (await get(path)).body;
    const part = await get(path, { Range: `bytes=${first}-${last}` });
    expect(part.status).toBe(206);
    expect(part.body.equals(whole.subarray(first, last + 1))).toBe(true);
  });
});

describe('when a stored blob is damaged', () => {
  const large = NOTED_FROM_BYTES + 100_000;
  let made: SmallBundle;
  let damaged: SiteFolder;
  let server: Depot;
  const heard: StowageError[] = [];

  beforeAll(async () => {
    const { authority } = one;
    made = await smallBundle({ place: scratch.fresh(), authority, weights: large });
    damaged = await stagedSite(scratch.fresh('site'), [made]);
    const onError = (error: unknown): void => void heard.push(error as StowageError);
    const catalog = await SiteCatalog.open({ ...options(), site: damaged, onError });
    server = await startDepot(catalog, { address: '127.0.0.1', port: 0 });
  });

  afterAll(() => server.close());

  const files = (): readonly string[] => {
    const [model] = made.bundle.models;
    const [weights, config] = model?.files ?? [];
    return [
      `/v2/chat/tiny/blobs/${weights?.digest}`,
      `/v2/chat/tiny/blobs/${config?.digest}`,
      `/v2/chat/tiny/manifests/1.0.0`,
      '/example/tiny/resolve/main/model.safetensors',
      '/example/tiny/resolve/main/config.json',
    ];
  };
  const ask = (path: string, headers: Record<string, string> = {}): Promise<Reply> =>
    askDepot(server.host, path, { headers });
  const pathOf = (index: number): string =>
    damaged.store.path(made.bundle.models[0]?.files[index]?.digest as never);

  it.each([
    ['weights, by digest', 0, 0],
    ['a small file, by digest', 1, 1],
    ['weights, on the Hub', 3, 0],
    ['a small file, on the Hub', 4, 1],
  ] as const)(
    'sends no byte of it, and serves it again once it is imported: %s',
    async (_, at, file) => {
      const request = files()[at] ?? '';
      heard.length = 0;
      const good = await ask(request);
      expect(good.status).toBe(200);
      flipBit(pathOf(file), 5);
      for (const headers of [{}, { Range: 'bytes=0-0' }, { Range: 'bytes=-1' }]) {
        const reply = await ask(request, headers);
        expect(reply.status).toBe(500);
        expect(reply.body.toString()).not.toContain(damaged.root);
      }
      expect(heard[0]).toMatchObject({ code: 'blob-damaged' });
      expect(heard[0]?.hint).toContain('store verify --repair');
      await stageAt(damaged, made);
      expect((await ask(request)).body.equals(good.body)).toBe(true);
    },
  );

  it('makes no image of it', async () => {
    flipBit(pathOf(0), 5);
    expect((await ask('/v2/chat/tiny-car/manifests/1.0.0')).status).toBe(500);
    expect(existsSync(damaged.path('store/cars'))).toBe(false);
    await stageAt(damaged, made);
    expect((await ask('/v2/chat/tiny-car/manifests/1.0.0')).status).toBe(200);
  });

  it('exports no link to it, and reads nothing again after an export', async () => {
    flipBit(pathOf(0), 5);
    const catalog = await SiteCatalog.open({ ...options(), site: damaged });
    const cache = scratch.fresh('cache');
    await expectCode(() => exportHubCache(catalog, cache, context()), 'blob-damaged');
    await stageAt(damaged, made);
    expect((await exportHubCache(catalog, cache, context())).linked).toBe(2);
    const blob = made.bundle.blobs.find(({ size }) => size === large);
    if (blob === undefined) throw new Error('no weights');
    expect((await damaged.store.noted(blob))?.untouched).toBe(true);
  });
});

describe('when a signed release is inconsistent, and imported by a program that did not see it', () => {
  const repository = '../../../../tmp/x';
  const bends: Readonly<Record<string, (bundle: Bundle) => object>> = {
    ...contradictions,
    'a repository that leaves the folder': (b) => ({
      ...b,
      models: b.models.map((each) => ({ ...each, repository })),
    }),
  };

  it.each(Object.entries(bends))('serves every other release, not %s', async (_, index) => {
    const folder = scratch.copy(two.folder);
    const id = resign(folder, two, { index });
    const other = await stagedSite(scratch.fresh('site'), [one]);
    plant(other, folder, id);
    const refused: RefusedRelease[] = [];
    const onRefused = (each: RefusedRelease): void => void refused.push(each);
    const catalog = await SiteCatalog.open({ ...options(), site: other, onRefused });
    expect(catalog.releases().map((each) => each.id)).toEqual([one.id]);
    expect(refused).toMatchObject([
      { folder: other.path('releases', id.slice(0, 32)), error: { exitStatus: 10 } },
    ]);
    await expectCode(
      () => SiteCatalog.open({ ...options([id.slice(0, 20)]), site: other }),
      refused[0]?.error.code ?? 'io-failed',
    );
    const cache = scratch.fresh('cache');
    await exportHubCache(catalog, cache, context());
    expect(readdirSync(cache).filter((name) => name.startsWith('models--'))).toEqual([
      'models--example--tiny',
    ]);
  });
});
