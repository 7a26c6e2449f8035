import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import { exportHubCache, type HubCacheExport } from '../../src/depot/hub-cache.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { skipBecause } from '../support/skip-because.ts';
import { tree } from '../support/tree.ts';
import { Store } from './fixture.ts';
import { addModel, COMMIT, gitBlob } from './hub-fixture.ts';

/** Whether there is another file system than that of temporary files. */
const SHARED_MEMORY = '/dev/shm';
const TWO_SYSTEMS =
  existsSync(SHARED_MEMORY) && statSync(SHARED_MEMORY).dev !== statSync(tmpdir()).dev;
const ONE_SYSTEM = 'temporary files are in /dev/shm, and no other file system is at hand';
const scratch = scratchFolder();
const stores: Store[] = [];
const elsewhere: string[] = [];
const FILES = { 'config.json': '{"layers":1}', 'model.safetensors': 'weights', 'a b/ü.txt': '' };
const WEIGHTS = digestOf(Buffer.from(FILES['model.safetensors']));
const REPOSITORY = 'models--example--tiny';
const NEXT = '2'.repeat(40);
const later = { version: '2.0.0', seq: 2, resolvedAt: '2026-11-21T00:00:00Z' };

afterEach(() => {
  for (const store of stores.splice(0)) store.remove();
  for (const folder of elsewhere.splice(0)) rmSync(folder, { recursive: true });
});

function newStore(): Store {
  const store = new Store();
  stores.push(store);
  return store;
}

/** Everything in a cache but the lock. */
function listing(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .filter((each) => !lstatSync(join(folder, each)).isDirectory())
    .filter((each) => !each.startsWith('.locks'))
    .toSorted();
}

function exported(store: Store, folder: string, values = {}): Promise<HubCacheExport> {
  return exportHubCache(store, folder, context(values));
}

describe('when a cache is exported', () => {
  it('has the files that a client would have downloaded', async () => {
    const store = newStore();
    const model = addModel(store, FILES, { revision: 'release/v1' });
    const folder = scratch.fresh('cache');
    const { linked, copied, repositories } = await exported(store, folder);
    expect([linked, copied]).toEqual([3, 0]);
    expect(repositories).toEqual([
      {
        repository: 'example/tiny',
        names: { main: COMMIT, 'release/v1': COMMIT },
        commits: [COMMIT],
        files: 3,
        bytes: 19,
      },
    ]);
    const config = gitBlob(Buffer.from(FILES['config.json']));
    const [, weights] = model.files;
    const sha256 = weights?.digest.slice('sha256:'.length) ?? '';
    expect(listing(folder)).toEqual(
      [
        'CACHEDIR.TAG',
        `${REPOSITORY}/.stowage-export.json`,
        `${REPOSITORY}/blobs/${config}`,
        `${REPOSITORY}/blobs/${gitBlob(Buffer.alloc(0))}`,
        `${REPOSITORY}/blobs/${sha256}`,
        `${REPOSITORY}/refs/main`,
        `${REPOSITORY}/refs/release/v1`,
        `${REPOSITORY}/snapshots/${COMMIT}/a b/ü.txt`,
        `${REPOSITORY}/snapshots/${COMMIT}/config.json`,
        `${REPOSITORY}/snapshots/${COMMIT}/model.safetensors`,
        `${REPOSITORY}/trees/${COMMIT}.json`,
      ].toSorted(),
    );
    const read = (path: string): string => readFileSync(join(folder, path), 'utf8');
    expect(read('CACHEDIR.TAG')).toMatch(/^Signature: 8a477f597d28d172789f06886806bc55\n/);
    expect(read(`${REPOSITORY}/refs/main`)).toBe(COMMIT);
    for (const [path, text] of Object.entries(FILES))
      expect(read(`${REPOSITORY}/snapshots/${COMMIT}/${path}`)).toBe(text);
    expect(JSON.parse(read(`${REPOSITORY}/trees/${COMMIT}.json`))).toMatchObject({
      format_version: 1,
      files: {
        'config.json': { size: 12, blob_id: config },
        'model.safetensors': { size: 7, lfs_sha256: sha256, lfs_size: 7 },
      },
    });
    const blob = statSync(join(folder, REPOSITORY, 'blobs', sha256));
    expect(blob.ino).toBe(statSync(store.blobPath(WEIGHTS)).ino);
  });

  it('creates no folder when there is no model', async () => {
    const folder = scratch.fresh('cache');
    expect((await exported(newStore(), folder)).repositories).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  it('does nothing the second time', async () => {
    const store = newStore();
    addModel(store, FILES);
    const folder = scratch.fresh('cache');
    await exported(store, folder);
    const before = tree(folder);
    const again = await exported(store, folder);
    expect([again.linked, again.copied, again.present]).toEqual([0, 0, 3]);
    expect(tree(folder)).toEqual(before);
  });

  it('adds a newer release, and updates the names that it wrote itself', async () => {
    const store = newStore();
    addModel(store, FILES);
    const folder = scratch.fresh('cache');
    await exported(store, folder);
    addModel(store, { ...FILES, 'config.json': '{}' }, { commit: NEXT, release: later });
    const { linked, present, kept } = await exported(store, folder);
    expect([linked, present, kept]).toEqual([1, 3, []]);
    expect(readFileSync(join(folder, REPOSITORY, 'refs/main'), 'utf8')).toBe(NEXT);
    expect(readdirSync(join(folder, REPOSITORY, 'snapshots')).toSorted()).toEqual([NEXT, COMMIT]);
  });

  it('adds files of the same commit from another release', async () => {
    const store = newStore();
    addModel(store, { 'q4.gguf': 'a' });
    const folder = scratch.fresh('cache');
    await exported(store, folder);
    addModel(store, { 'x/q8.gguf': 'b' }, { release: { name: 'other' } });
    await exported(store, folder);
    const snapshot = join(folder, REPOSITORY, 'snapshots', COMMIT);
    expect(readFileSync(join(snapshot, 'x/q8.gguf'), 'utf8')).toBe('b');
    const listed = readFileSync(join(folder, REPOSITORY, `trees/${COMMIT}.json`), 'utf8');
    expect(Object.keys((JSON.parse(listed) as { files: object }).files)).toEqual([
      'q4.gguf',
      'x/q8.gguf',
    ]);
  });

  it('copies with a warning where hard links are impossible', async (test) => {
    if (!TWO_SYSTEMS) skipBecause(test, ONE_SYSTEM);
    const store = newStore();
    addModel(store, FILES);
    const folder = mkdtempSync('/dev/shm/stowage-test-');
    elsewhere.push(folder);
    const listening = context();
    const { linked, copied } = await exportHubCache(store, folder, listening);
    expect([linked, copied]).toEqual([0, 3]);
    const warnings = listening.events.filter(({ type }) => type === 'warning');
    expect(warnings).toHaveLength(1);
    const snapshot = join(folder, REPOSITORY, 'snapshots', COMMIT);
    expect(readFileSync(join(snapshot, 'model.safetensors'), 'utf8')).toBe('weights');
  });
});

describe('when other programs use the cache', () => {
  it('keeps a name that a client wrote, with a warning', async () => {
    const store = newStore();
    addModel(store, FILES);
    const folder = scratch.fresh('cache');
    put(join(folder, REPOSITORY, 'refs/main'), NEXT);
    const { kept } = await exported(store, folder);
    expect(kept).toEqual([`${REPOSITORY}/refs/main`]);
    expect(readFileSync(join(folder, REPOSITORY, 'refs/main'), 'utf8')).toBe(NEXT);
  });

  it('keeps files that a client downloaded, links or not', async () => {
    const store = newStore();
    addModel(store, FILES);
    const folder = scratch.fresh('cache');
    const own = join(folder, REPOSITORY, 'snapshots', COMMIT, 'config.json');
    put(own, FILES['config.json']);
    put(join(folder, REPOSITORY, 'blobs', gitBlob(Buffer.alloc(0))), '');
    const { linked, present } = await exported(store, folder);
    expect([linked, present]).toEqual([2, 1]);
    expect(lstatSync(own).isFile()).toBe(true);
    expect(readFileSync(join(dirname(own), 'model.safetensors'), 'utf8')).toBe('weights');
  });

  it.each([
    ['a blob', `blobs/${gitBlob(Buffer.from(FILES['config.json']))}`],
    ['a file of a snapshot', `snapshots/${COMMIT}/config.json`],
  ])('replaces nothing, and leaves nothing, when %s is something else', async (_, path) => {
    const store = newStore();
    addModel(store, FILES);
    const folder = scratch.fresh('cache');
    put(join(folder, REPOSITORY, path), 'something else');
    const before = listing(folder);
    await expectCode(() => exported(store, folder), 'output-exists');
    expect(listing(folder)).toEqual([...before, 'CACHEDIR.TAG'].toSorted());
    expect(readFileSync(join(folder, REPOSITORY, path), 'utf8')).toBe('something else');
  });

  it.each(['', 'blobs', 'snapshots', 'refs', `snapshots/${COMMIT}`, `snapshots/${COMMIT}/a b`])(
    'follows no link planted at %s',
    async (path) => {
      const store = newStore();
      addModel(store, FILES);
      const folder = scratch.fresh('cache');
      const other = scratch.fresh('other');
      mkdirSync(other);
      const planted = join(folder, REPOSITORY, path);
      mkdirSync(dirname(planted), { recursive: true });
      symlinkSync(other, planted);
      await expectCode(() => exported(store, folder), 'output-exists');
      expect(readdirSync(other)).toEqual([]);
    },
  );
});

describe('when something fails', () => {
  it('leaves nothing of a repository whose blob is damaged', async () => {
    const store = newStore();
    addModel(store, FILES);
    truncateSync(store.blobPath(WEIGHTS), 2);
    const folder = scratch.fresh('cache');
    await expectCode(() => exported(store, folder), 'blob-damaged');
    expect(readdirSync(folder).toSorted()).toEqual(['.locks', 'CACHEDIR.TAG']);
  });

  it('does not copy damaged bytes', async (test) => {
    if (!TWO_SYSTEMS) skipBecause(test, ONE_SYSTEM);
    const store = newStore();
    addModel(store, FILES);
    writeFileSync(store.blobPath(WEIGHTS), 'weightz');
    const folder = mkdtempSync('/dev/shm/stowage-test-');
    elsewhere.push(folder);
    await expectCode(() => exported(store, folder), 'blob-damaged');
    expect(readdirSync(folder).toSorted()).toEqual(['.locks', 'CACHEDIR.TAG']);
  });

  it('leaves nothing when it is interrupted', async () => {
    const store = newStore();
    addModel(store, FILES);
    const folder = scratch.fresh('cache');
    await expectCode(() => exported(store, folder, { signal: AbortSignal.abort() }), 'interrupted');
    expect(readdirSync(folder).toSorted()).toEqual(['.locks', 'CACHEDIR.TAG']);
  });

  it.each(['../../etc/x', 'a', 'a/b/c', 'a/..', 'a/b\n'])(
    'makes no folder for the repository %j',
    async (repository) => {
      const store = newStore();
      addModel(store, FILES, { repository });
      const folder = scratch.fresh('cache');
      await expectCode(() => exported(store, folder), 'path-unsafe');
      expect(readdirSync(folder).toSorted()).toEqual(['.locks', 'CACHEDIR.TAG']);
    },
  );

  it('skips a revision whose name cannot be a file name', async () => {
    const store = newStore();
    addModel(store, FILES, { revision: '../../../escaped' });
    const folder = scratch.fresh('cache');
    await exported(store, folder);
    expect(readdirSync(join(folder, REPOSITORY, 'refs'))).toEqual(['main']);
  });
});

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
