import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { pullIntoStore } from '../../src/build/pull.ts';
import { resolve } from '../../src/build/resolve.ts';
import type { StowageEvent } from '../../src/core/context.ts';
import { digestOf } from '../../src/core/digest.ts';
import { checkDocument } from '../../src/format/document.ts';
import type { Lock } from '../../src/format/lock.ts';
import { type Manifest, manifestKind } from '../../src/format/manifest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import type { Git } from '../../src/source/git.ts';
import type { Hub } from '../../src/source/hugging-face.ts';
import { modelSourceOf } from '../../src/source/model-sources.ts';
import type { Registry } from '../../src/source/oci.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { testHttp } from '../net/server.ts';
import { anonymousS3 } from '../support/anonymous-s3.ts';
import { expectCode } from '../support/error.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';
import { skipBecause } from '../support/skip-because.ts';
import { smallDisk } from '../support/small-disk.ts';
import { contextOf } from './samples.ts';

const MIB = 1024 * 1024;
const LARGE = 17 * MIB;
const CARD = '---\nlicense: apache-2.0\n---\n';
const COMMIT = 'c0ffee'.padEnd(40, '0');
const scratch = scratchFolder();
let cwd: string;
let model: string;

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(args, cwd, { env: { STOWAGE_STORE: join(cwd, 'store') } });
const manifest = (fields: object = {}): void =>
  writeFileSync(
    join(cwd, 'stowage.yaml'),
    JSON.stringify({
      apiVersion: 'stowage/v1',
      name: 'chat',
      version: '1.0.0',
      models: [{ name: 'chat', source: './my-model', ...fields }],
    }),
  );
const readLock = (): Lock => JSON.parse(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8'));
const lockedModel = (): Lock['models'][number] => {
  const [first] = readLock().models;
  if (first === undefined) throw new Error('no model');
  return first;
};
/** Files that were changed a while ago, as those of a finished training are. */
const settle = (folder: string): void => {
  const before = new Date(Date.now() - 60_000);
  for (const name of readdirSync(folder)) utimesSync(join(folder, name), before, before);
};

beforeEach(() => {
  cwd = scratch.fresh('cwd');
  model = join(cwd, 'my-model');
  writeLargeModel(join(model, 'model.safetensors'), LARGE);
  writeFileSync(join(model, 'config.json'), '{"model_type":"llama"}\n');
  writeFileSync(join(model, 'README.md'), CARD);
  settle(model);
  manifest();
});

describe('when a model is a local folder', () => {
  it('is locked file by file, without an archive, with the license of its card', async () => {
    mkdirSync(join(model, '.git/objects'), { recursive: true });
    mkdirSync(join(model, '.cache/huggingface'), { recursive: true });
    mkdirSync(join(model, 'original'));
    writeFileSync(join(model, '.git/objects/pack'), 'of git');
    writeFileSync(join(model, '.cache/huggingface/x.lock'), '');
    writeFileSync(join(model, 'original/params.json'), '{}');
    const { error, stdout } = await run('lock');
    expect(error).toBeUndefined();
    const { files, origin, commit, repository, license, endpoint } = lockedModel();
    expect(files.map(({ path }) => path)).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'original/params.json',
    ]);
    for (const { path, digest, size } of files) {
      const bytes = readFileSync(join(model, path));
      expect({ path, digest, size }).toEqual({ path, digest: digestOf(bytes), size: bytes.length });
      expect(readFileSync(join(cwd, 'store/blobs/sha256', digest.slice(7))).equals(bytes)).toBe(
        true,
      );
    }
    expect({ repository, license, endpoint }).toEqual({
      repository: 'models/chat',
      license: 'apache-2.0',
    });
    expect(origin).toMatchObject({ kind: 'folder', uri: './my-model' });
    expect(origin?.digest.slice(7, 47)).toBe(commit);
    expect(stdout).toContain('./my-model');
    expect(readdirSync(join(cwd, 'store/incoming'))).toEqual([]);
  });

  it('is packed with the same bytes, and its origin is in the bundle, the SBOM and the provenance', async () => {
    manifest({ repository: 'acme/chat' });
    expect((await run('lock')).error).toBeUndefined();
    expect((await run('pack', '--no-installer', '--output', 'out')).error).toBeUndefined();
    const bundle = JSON.parse(readFileSync(join(cwd, 'out/bundle.json'), 'utf8'));
    const { commit, origin } = lockedModel();
    expect(bundle.models[0]).toMatchObject({
      source: './my-model',
      repository: 'acme/chat',
      commit,
      license: 'apache-2.0',
    });
    const weights = lockedModel().files.find(({ path }) => path === 'model.safetensors');
    const blob = bundle.blobs.find((each: { digest: string }) => each.digest === weights?.digest);
    const parts: string[] = blob.parts.map(({ path }: { path: string }) => path);
    const packed = Buffer.concat(parts.map((path) => readFileSync(join(cwd, 'out', path))));
    expect(packed.equals(readFileSync(join(model, 'model.safetensors')))).toBe(true);
    const texts = bundle.control
      .map(({ path }: { path: string }) => path)
      .filter((path: string) => /provenance|sbom/.test(path))
      .map((path: string) => readFileSync(join(cwd, 'out', path), 'utf8'));
    expect(texts.length).toBeGreaterThanOrEqual(2);
    const provenance = texts.find((text: string) => text.includes('resolvedDependencies'));
    expect(provenance).toContain('./my-model');
    expect(provenance).toContain(origin?.digest.slice(7));
    expect(texts.join()).not.toContain('pkg:huggingface');
  });

  it('is not read again while nothing writes to it', async (context) => {
    // Then it is read each time: a later write might leave the time of change as it is.
    if (statSync(join(model, 'model.safetensors')).ctimeMs > Date.now())
      skipBecause(context, 'the clock is behind the times of files');
    const events: StowageEvent[] = [];
    const store = new BlobStore(join(cwd, 'store'));
    const lockOnce = (): Promise<Lock> => {
      events.length = 0;
      return resolve(parsed(), {
        ...contextOf(undefined, (event) => void events.push(event)),
        ...{ folder: cwd, store, sources: sources() },
      });
    };
    const readBytes = (): number =>
      Math.max(
        0,
        ...events.flatMap((each) =>
          each.type === 'progress' && each.task === 'read' ? [each.done] : [],
        ),
      );
    // What was written a moment ago may be written again at the same time of change.
    await new Promise((resolved) => setTimeout(resolved, 2100));
    const first = await lockOnce();
    expect(readBytes()).toBeGreaterThanOrEqual(LARGE);
    const again = await lockOnce();
    expect(readBytes()).toBeLessThan(MIB);
    expect(again.models).toEqual(first.models);
  });

  it('is read from where an interrupted run stopped', async () => {
    const store = new BlobStore(join(cwd, 'store'));
    const stop = new AbortController();
    const context = { folder: cwd, store, sources: sources() };
    const broken = resolve(parsed(), {
      ...context,
      ...contextOf(stop.signal, (event) => {
        if (event.type === 'progress' && event.task === 'read' && event.done > 2 * MIB)
          stop.abort();
      }),
    });
    await expectCode(() => broken, 'interrupted');
    const events: StowageEvent[] = [];
    const lock = await resolve(parsed(), {
      ...context,
      ...contextOf(undefined, (event) => void events.push(event)),
    });
    const kept = events.flatMap((each) => (each.type === 'progress' ? [each.kept ?? 0] : []));
    expect(Math.max(...kept)).toBeGreaterThanOrEqual(MIB);
    const weights = lock.models[0]?.files.find(({ path }) => path === 'model.safetensors');
    expect(weights?.digest).toBe(digestOf(readFileSync(join(model, 'model.safetensors'))));
  });

  it('is pulled from the folder into another store', async () => {
    expect((await run('lock')).error).toBeUndefined();
    rmSync(join(cwd, 'store'), { recursive: true });
    expect((await run('store', 'pull')).error).toBeUndefined();
    expect(readdirSync(join(cwd, 'store/blobs/sha256'))).toHaveLength(lockedModel().files.length);
  });

  it('takes links to its own files as those files', async () => {
    symlinkSync('model.safetensors', join(model, 'consolidated.safetensors'));
    expect((await run('lock')).error).toBeUndefined();
    const [a, b] = lockedModel().files.filter(({ path }) => path.endsWith('.safetensors'));
    expect(a?.digest).toBe(b?.digest);
  });
});

describe('when a license is named in the manifest', () => {
  beforeEach(() => {
    rmSync(join(model, 'README.md'));
    writeFileSync(join(cwd, 'LICENSE-acme.txt'), 'The terms.\n');
  });

  it('its text becomes a file of the model, and its name is compared with the accepted ones', async () => {
    const license = { id: 'LicenseRef-acme', file: './LICENSE-acme.txt' };
    manifest({ license, licenses: ['LicenseRef-acme'] });
    expect((await run('lock')).error).toBeUndefined();
    expect(lockedModel().license).toBe('LicenseRef-acme');
    expect(lockedModel().files).toContainEqual({
      ...{ path: 'LICENSE-acme.txt', size: 11, digest: digestOf(Buffer.from('The terms.\n')) },
      from: { path: './LICENSE-acme.txt' },
    });
    rmSync(join(cwd, 'store'), { recursive: true });
    expect((await run('pack', '--no-installer')).error).toBeUndefined();
    writeFileSync(join(cwd, 'LICENSE-acme.txt'), 'Other terms.\n');
    const { error } = await run('pack', '--no-installer', '--output', 'other');
    expect(error?.code).toBe('lock-stale');
    expect(error?.message).toContain('LICENSE-acme.txt');
  });

  it.each([
    ['not accepted', { license: { id: 'mit' }, licenses: ['apache-2.0'] }, 'content-refused'],
    ['a file that does not exist', { license: { id: 'mit', file: './none' } }, 'manifest-invalid'],
    [
      'a name that the model has already',
      { license: { id: 'mit', file: './config.json' } },
      'manifest-invalid',
    ],
    ['a file outside', { license: { id: 'mit', file: '/etc/hostname' } }, 'manifest-invalid'],
  ])('%s is refused', async (_, fields, code) => {
    writeFileSync(join(cwd, 'config.json'), '{}');
    manifest(fields);
    expect((await run('lock')).error?.code).toBe(code);
  });

  it('another one in the model card is reported', async () => {
    writeFileSync(join(model, 'README.md'), CARD);
    manifest({ license: { id: 'mit' } });
    expect((await run('lock')).error).toBeUndefined();
    const found = readLock().findings.find(({ rule }) => rule === 'license-differs');
    expect(found?.message).toContain('mit in the manifest');
  });
});

describe('when a local model cannot be trusted to be whole', () => {
  const lines = '{"metadata":{},"weight_map":{"a":"model-00001-of-00002.safetensors"}}';
  const broken: Readonly<Record<string, [() => void, string, RegExp]>> = {
    'weights that are still being written': [
      () => truncateSync(join(model, 'model.safetensors'), LARGE - 5),
      'content-refused',
      /model\.safetensors/,
    ],
    'an index that is still being written': [
      () => writeFileSync(join(model, 'model.safetensors.index.json'), lines.slice(0, 40)),
      'content-refused',
      /index\.json/,
    ],
    'an index that names a missing file': [
      () => writeFileSync(join(model, 'model.safetensors.index.json'), lines),
      'content-refused',
      /00001-of-00002/,
    ],
    'a Git LFS pointer in place of weights': [
      () =>
        writeFileSync(
          join(model, 'model.safetensors'),
          `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`,
        ),
      'content-refused',
      /pointer/,
    ],
    'a link out of it': [
      () => symlinkSync('/etc/hostname', join(model, 'host.txt')),
      'file-kind',
      /host\.txt/,
    ],
    'a link to nothing': [
      () => symlinkSync('../blobs/none', join(model, 'lost.bin')),
      'file-kind',
      /lost\.bin/,
    ],
    'a file in place of the folder': [
      () => {
        rmSync(model, { recursive: true });
        writeFileSync(model, 'GGUF');
      },
      'file-kind',
      /my-model/,
    ],
    'no folder': [() => rmSync(model, { recursive: true }), 'manifest-invalid', /my-model/],
  };

  it.each(Object.entries(broken))('%s is refused', async (_, [change, code, named]) => {
    change();
    const { error } = await run('lock');
    expect(error?.code).toBe(code);
    expect(`${error?.message} ${error?.found} ${error?.defects.join(' ')}`).toMatch(named);
    expect(readdirSync(cwd)).not.toContain('stowage.lock.json');
  });

  it('a folder outside that of the manifest needs outside: true', async () => {
    renameSync(model, join(dirname(cwd), `outside-${Math.random()}`));
    const [outside = ''] = readdirSync(dirname(cwd)).filter((name) => name.startsWith('outside-'));
    manifest({ source: `../${outside}` });
    expect((await run('lock')).error?.code).toBe('manifest-invalid');
    manifest({ source: `../${outside}`, outside: true });
    expect((await run('lock')).error).toBeUndefined();
    rmSync(join(dirname(cwd), outside), { recursive: true });
  });

  it('a store without room is refused before the first byte is read', async (test) => {
    const disk = scratch.fresh('disk');
    smallDisk(test, disk, '8m');
    const { error } = await runProgram(['lock'], cwd, {
      env: { STOWAGE_STORE: join(disk, 'store') },
    });
    expect(error?.code).toBe('space-insufficient');
    expect(readdirSync(join(disk, 'store')).filter((name) => name !== 'lock')).not.toContain(
      'incoming',
    );
  });
});

describe('when a local model changes', () => {
  const weights = (): string => join(model, 'model.safetensors');

  it.each<[string, () => void]>([
    ['grows', () => appendFileSync(weights(), 'more')],
    ['is replaced', () => writeLargeModel(weights(), LARGE, { seed: 2 })],
    ['becomes shorter', () => truncateSync(weights(), 16 * MIB)],
  ])('and a file %s while it is read, nothing of it is kept', async (_, change) => {
    const kind = modelSourceOf('./my-model', { ...sources(), folder: cwd });
    const { signal } = new AbortController();
    const { files } = await kind.resolve({ source: './my-model' }, signal);
    const owner = { source: './my-model', repository: 'models/chat', commit: COMMIT };
    const file = files.find(({ path }) => path === 'model.safetensors');
    if (file === undefined) throw new Error('no file');
    const origin = await kind.file(owner, file);
    const read = async (): Promise<void> => {
      let first = true;
      for await (const chunk of await origin.open(0, signal)) {
        if (first && chunk.byteLength > 0) change();
        first = false;
      }
    };
    await expectCode(read, 'source-mismatch');
    await expectCode(() => origin.part?.(0, 5, signal), 'source-mismatch');
  });

  const changes: Readonly<Record<string, [() => void, RegExp]>> = {
    'a file of the same size': [
      () => writeFileSync(join(model, 'config.json'), '{"model_type":"LLAMA"}\n'),
      /^\.\/my-model\/config\.json of chat/,
    ],
    'a large file of the same size': [
      () => writeLargeModel(weights(), LARGE, { seed: 2 }),
      /model\.safetensors of chat/,
    ],
    'another file': [() => writeFileSync(join(model, 'a.txt'), 'new'), /a\.txt of chat/],
    'a missing file': [() => rmSync(join(model, 'config.json')), /config\.json of chat/],
  };

  it.each(Object.entries(changes))(
    'and there is %s after the lock, it is stale',
    async (_, [change, named]) => {
      expect((await run('lock')).error).toBeUndefined();
      change();
      for (const attempt of [() => run('pack', '--no-installer'), () => run('store', 'pull')]) {
        const { error } = await attempt();
        expect(error?.code).toBe('lock-stale');
        expect(error?.message).toMatch(named);
      }
    },
  );

  it('and the store does not have it, the bytes are compared while they are copied', async () => {
    expect((await run('lock')).error).toBeUndefined();
    rmSync(join(cwd, 'store'), { recursive: true });
    writeLargeModel(weights(), LARGE, { seed: 2 });
    const { error } = await run('store', 'pull');
    expect(error?.code).toBe('lock-stale');
    expect(error?.message).toContain('./my-model/model.safetensors of chat');
    expect(readdirSync(join(cwd, 'store/incoming'))).toEqual([]);
  });

  it('and no longer exists, it is packed from the store', async () => {
    expect((await run('lock')).error).toBeUndefined();
    rmSync(model, { recursive: true });
    expect((await run('pack', '--no-installer')).error).toBeUndefined();
  });
});

describe('when a model is a snapshot in the cache of huggingface_hub', () => {
  let repository: string;

  beforeEach(() => {
    repository = join(cwd, 'hub/models--acme--chat');
    cache(repository, COMMIT);
    rmSync(model, { recursive: true });
  });

  /** Moves the files of the model to where the client has them: named by SHA-256 if large, or else by git blob hash. */
  const cache = (folder: string, commit: string): void => {
    const snapshot = join(folder, 'snapshots', commit);
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(folder, 'blobs'), { recursive: true });
    mkdirSync(join(folder, 'refs'), { recursive: true });
    writeFileSync(join(folder, 'refs/main'), commit);
    for (const name of readdirSync(model)) {
      const bytes = readFileSync(join(model, name));
      const git = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      const etag = bytes.length > MIB ? digestOf(bytes).slice(7) : git;
      cpSync(join(model, name), join(folder, 'blobs', etag));
      symlinkSync(`../../blobs/${etag}`, join(snapshot, name));
    }
  };

  it.each([
    ['the repository', './hub/models--acme--chat'],
    ['the snapshot', `./hub/models--acme--chat/snapshots/${COMMIT}`],
  ])('given by the folder of %s, its name and commit are those of the Hub', async (_, source) => {
    manifest({ source });
    expect((await run('lock')).error).toBeUndefined();
    expect(lockedModel()).toMatchObject({
      ...{ repository: 'acme/chat', commit: COMMIT, license: 'apache-2.0' },
      origin: { kind: 'hub-cache', uri: source },
    });
    const weights = lockedModel().files.find(({ path }) => path === 'model.safetensors');
    // Its name states its SHA-256, so that it is read only once: when it is copied.
    expect(readdirSync(join(cwd, 'store/blobs/sha256'))).not.toContain(weights?.digest.slice(7));
    expect((await run('pack', '--no-installer', '--output', 'out')).error).toBeUndefined();
    expect(readdirSync(join(cwd, 'store/blobs/sha256'))).toContain(weights?.digest.slice(7));
    const provenance = readdirSync(join(cwd, 'out'), { recursive: true })
      .map(String)
      .filter((path) => /provenance.*json|intoto/.test(path))
      .map((path) => readFileSync(join(cwd, 'out', path), 'utf8'));
    expect(provenance.join()).toContain(COMMIT);
  });

  it('and a file in it is not what its name states, nothing is packed', async () => {
    manifest({ source: './hub/models--acme--chat' });
    expect((await run('lock')).error).toBeUndefined();
    const large = readdirSync(join(repository, 'blobs')).find((name) => name.length === 64);
    writeLargeModel(join(repository, 'blobs', large ?? ''), LARGE, { seed: 3 });
    expect((await run('pack', '--no-installer')).error?.code).toBe('lock-stale');
    const small = readdirSync(join(repository, 'blobs')).find((name) => name.length === 40);
    writeFileSync(join(repository, 'blobs', small ?? ''), 'other');
    rmSync(join(cwd, 'store'), { recursive: true });
    expect((await run('lock')).error?.code).toBe('source-mismatch');
  });

  it('and its files are no links, its commit is not claimed', async () => {
    const plain = join(repository, 'snapshots', COMMIT);
    execFileSync('cp', ['-rL', plain, `${plain}.copy`]);
    rmSync(plain, { recursive: true });
    renameSync(`${plain}.copy`, plain);
    manifest({ source: './hub/models--acme--chat' });
    expect((await run('lock')).error).toBeUndefined();
    expect(lockedModel()).toMatchObject({ repository: 'acme/chat', origin: { kind: 'folder' } });
    expect(lockedModel().commit).not.toBe(COMMIT);
  });

  it('and it has several commits, none of them main, one must be named', async () => {
    mkdirSync(join(repository, 'snapshots', 'd'.repeat(40)));
    rmSync(join(repository, 'refs'), { recursive: true });
    manifest({ source: './hub/models--acme--chat' });
    const { error } = await run('lock');
    expect(error?.code).toBe('file-missing');
    expect(error?.found).toContain(COMMIT);
  });
});

function parsed(): Manifest {
  return checkDocument(manifestKind, JSON.parse(readFileSync(join(cwd, 'stowage.yaml'), 'utf8')));
}

function sources(): Parameters<typeof pullIntoStore>[1]['sources'] {
  const { http } = testHttp();
  return { http, hub: {} as Hub, registry: {} as Registry, git: {} as Git, s3: anonymousS3 };
}
