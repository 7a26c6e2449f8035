import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import type { Lock } from '../../src/format/lock.ts';
import {
  type PushedArtifact,
  type PushedLayer,
  pushArtifact,
  pushManifest,
} from '../lab/artifact.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { type Registry, startRegistry } from '../lab/registry.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';

const MIB = 1024 * 1024;
const MODEL_PACK = 'application/vnd.cncf.model';
const scratch = scratchFolder();
const root = join(scratch.root, 'models');
let registry: Registry;
let cwd: string;
let pushed = 0;

/** The files of the model, in every form in which registries have it. */
const files = new Map<string, Buffer>();
const file = (path: string): Buffer => files.get(path) ?? Buffer.alloc(0);

beforeAll(async () => {
  writeLargeModel(join(root, 'model.safetensors'), 17 * MIB);
  writeLargeModel(join(root, 'chat.gguf'), 2 * MIB);
  mkdirSync(join(root, 'original'));
  writeFileSync(join(root, 'config.json'), '{"model_type":"llama"}\n');
  writeFileSync(join(root, 'original/params.json'), '{}');
  for (const path of ['config.json', 'model.safetensors', 'original/params.json'])
    files.set(path, readFileSync(join(root, path)));
  registry = await startRegistry(join(scratch.root, 'registry'));
});

afterAll(() => registry.stop());

beforeEach(() => {
  cwd = scratch.fresh('cwd');
  mkdirSync(cwd);
});

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(args, cwd, { env: { STOWAGE_STORE: join(cwd, 'store') } });
const lock = (source: string, fields: object = {}): Promise<Ran> => {
  const models = [{ name: 'chat', source, ...fields }];
  const manifest = { apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', models };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
  return run('lock');
};
const lockedModel = (): Lock['models'][number] => {
  const found: Lock = JSON.parse(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8'));
  const [first] = found.models;
  if (first === undefined) throw new Error('no model');
  return first;
};
const lockedFiles = (): Record<string, string> =>
  Object.fromEntries(lockedModel().files.map(({ path, digest }) => [path, digest]));
const wanted = (): Record<string, string> =>
  Object.fromEntries([...files].map(([path, bytes]) => [path, digestOf(bytes)]));
/** Blobs of the store that are no files of the model. */
const leftOver = (): string[] => {
  const known = new Set(lockedModel().files.map(({ digest }) => digest.slice(7)));
  return readdirSync(join(cwd, 'store/blobs/sha256')).filter((hex) => !known.has(hex));
};

const json = (mediaType: string, value: object): PushedLayer => ({
  mediaType,
  bytes: Buffer.from(JSON.stringify(value)),
});
const tar = (paths: readonly string[], ...options: string[]): Buffer =>
  execFileSync('tar', ['-cf', '-', '-C', root, ...options, ...paths], { maxBuffer: 64 * MIB });
const push = async (artifact: PushedArtifact): Promise<string> => {
  const repository = `acme/model-${pushed++}`;
  await pushArtifact(registry, repository, 'v1', artifact);
  return `oci://${registry.host}/${repository}:v1`;
};
const modelPack = (layers: readonly PushedLayer[]): PushedArtifact => ({
  artifactType: `${MODEL_PACK}.manifest.v1+json`,
  config: json(`${MODEL_PACK}.config.v1+json`, { descriptor: { licenses: ['apache-2.0'] } }),
  layers,
});
const filepath = (path: string): Record<string, string> => ({ 'org.cncf.model.filepath': path });
const image = (layers: readonly Buffer[]): PushedArtifact => ({
  config: json('application/vnd.oci.image.config.v1+json', {
    ...{ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } },
  }),
  layers: layers.map((bytes) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    bytes,
  })),
});
/** A tar of other files, by path. */
const tarOf = (content: Readonly<Record<string, string>>, ...options: string[]): Buffer => {
  const folder = scratch.fresh('tar');
  for (const [path, text] of Object.entries(content)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    if (text.startsWith('->')) symlinkSync(text.slice(2), join(folder, path));
    else writeFileSync(join(folder, path), text);
  }
  return execFileSync('tar', ['-cf', '-', '-C', folder, ...options, '.']);
};

const all = (): string[] => [...files.keys()];
const weight = (kind: string): string => `${MODEL_PACK}.weight.v1.${kind}`;
const forms: Readonly<Record<string, () => PushedArtifact>> = {
  'ModelPack with raw layers': () =>
    modelPack(
      all().map((path) => ({
        mediaType: weight('raw'),
        bytes: file(path),
        annotations: filepath(path),
      })),
    ),
  'ModelPack with a tar for each file': () =>
    modelPack(
      all().map((path) => ({
        mediaType: weight('tar'),
        bytes: tar([path]),
        annotations: filepath(path),
      })),
    ),
  'ModelPack with compressed tars': () =>
    modelPack([
      { mediaType: weight('tar+gzip'), bytes: gzipSync(tar(['config.json']), { level: 1 }) },
      { mediaType: weight('tar+zstd'), bytes: zstdCompressSync(tar(['model.safetensors'])) },
      { mediaType: weight('tar'), bytes: tar(['original']) },
    ]),
  'a ModelKit of KitOps': () => ({
    config: json('application/vnd.kitops.modelkit.config.v1+json', {
      ...{ manifestVersion: '1.0.0', package: { name: 'chat', license: 'apache-2.0' } },
      model: { name: 'chat', path: 'model.safetensors' },
    }),
    layers: [
      {
        mediaType: 'application/vnd.kitops.modelkit.model.v1.tar',
        bytes: tar(['model.safetensors']),
      },
      {
        mediaType: 'application/vnd.kitops.modelkit.code.v1.tar+gzip',
        bytes: gzipSync(tar(['config.json', 'original'], '--format=pax'), { level: 1 }),
      },
      {
        mediaType: 'application/vnd.kitops.modelkit.dataset.v1.tar',
        bytes: tarOf({ 'train.csv': 'a,b' }),
      },
    ],
  }),
  'an artifact of oras push': () => ({
    artifactType: 'application/vnd.acme.model',
    config: json('application/vnd.oci.empty.v1+json', {}),
    layers: all().map((path) => ({
      mediaType: 'application/octet-stream',
      bytes: file(path),
      annotations: { 'org.opencontainers.image.title': path },
    })),
  }),
  'an artifact of oras push with a folder': () => ({
    artifactType: 'application/vnd.acme.model',
    config: json('application/vnd.oci.empty.v1+json', {}),
    layers: [
      ...['config.json', 'model.safetensors'].map((path) => ({
        mediaType: 'application/octet-stream',
        bytes: file(path),
        annotations: { 'org.opencontainers.image.title': path },
      })),
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        bytes: gzipSync(tar(['original'])),
        annotations: {
          'org.opencontainers.image.title': 'original',
          'io.deis.oras.content.unpack': 'true',
        },
      },
    ],
  }),
  'a modelcar, with files that later layers replace and remove': () =>
    image([
      gzipSync(tarOf({ 'bin/sh': 'a shell', 'bin/ls': '->sh', 'etc/passwd': 'root' })),
      gzipSync(
        tarOf({
          ...{ 'models/config.json': 'old', 'models/extra.txt': 'removed' },
          ...{ 'models/gone/a': 'a', 'models/gone/b': 'b', 'models/opaque/c': 'c' },
        }),
      ),
      gzipSync(
        tarOf({
          ...{ 'models/.wh.extra.txt': '', 'models/.wh.gone': '' },
          'models/opaque/.wh..wh..opq': '',
        }),
      ),
      gzipSync(tar(all(), '--transform=s,^,models/,'), { level: 1 }),
    ]),
};

describe('when a model is in a registry', () => {
  it.each(Object.entries(forms))('as %s, its files are those that were pushed', async (_, form) => {
    const source = await push(form());
    const { error } = await lock(source);
    expect(error).toBeUndefined();
    expect(lockedFiles()).toEqual(wanted());
    const { origin, commit, repository } = lockedModel();
    expect(origin?.kind).toBe('registry');
    expect(origin?.uri).toBe(`${source.replace(/:v1$/, '')}@${origin?.digest}`);
    expect({ commit, repository }).toEqual({
      commit: origin?.digest.slice(7, 47),
      repository: 'models/chat',
    });
    rmSync(join(cwd, 'store'), { recursive: true });
    expect((await run('store', 'pull')).error).toBeUndefined();
    for (const [path, bytes] of files) {
      const stored = join(cwd, 'store/blobs/sha256', digestOf(bytes).slice(7));
      expect({ path, same: readFileSync(stored).equals(bytes) }).toEqual({ path, same: true });
    }
    expect(leftOver()).toEqual([]);
    expect(readdirSync(join(cwd, 'store/incoming'))).toEqual([]);
  });

  it('its origin is in the SBOM and the provenance, and its license in the lock', async () => {
    expect(
      (await lock(await push(forms['a ModelKit of KitOps']?.() ?? image([])))).error,
    ).toBeUndefined();
    expect(lockedModel().license).toBe('apache-2.0');
    expect((await run('pack', '--no-installer', '--output', 'out')).error).toBeUndefined();
    const texts = readdirSync(join(cwd, 'out'), { recursive: true })
      .map(String)
      .filter((path) => /(?:provenance|sbom|cdx|spdx)[^/]*\.json/.test(path))
      .map((path) => readFileSync(join(cwd, 'out', path), 'utf8'));
    const { origin } = lockedModel();
    const purl = `pkg:oci/`;
    expect(
      texts.some((text) => text.includes(purl) && text.includes(`${origin?.digest.slice(7)}`)),
    ).toBe(true);
    expect(texts.some((text) => text.includes(`${origin?.uri}`))).toBe(true);
  });

  it('archives are not downloaded again while manifest and selection are the same', async () => {
    const source = await push(forms['a ModelKit of KitOps']?.() ?? image([]));
    // A glob that matches nothing, and one that matches only what is left out: both are known without the archives.
    const globs = { include: ['*.json', '*.safetensors'], exclude: ['original/*', 'none'] };
    const large = (): number =>
      registry.log().match(/GET \/v2\/[^ ]*\/blobs\/[^ ]* HTTP[^"]*" \d+ \d{7}/g)?.length ?? 0;
    expect((await lock(source, globs)).error).toBeUndefined();
    const before = readFileSync(join(cwd, 'stowage.lock.json'), 'utf8');
    expect(Object.keys(lockedFiles())).toEqual(['config.json', 'model.safetensors']);
    expect(before.match(/glob-unmatched/g)).toHaveLength(1);
    const downloaded = large();
    expect(downloaded).toBeGreaterThan(0);
    expect((await lock(source, globs)).error).toBeUndefined();
    expect(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8')).toBe(before);
    expect(large()).toBe(downloaded);
    expect((await lock(source, { include: ['*.json'] })).error).toBeUndefined();
    expect(Object.keys(lockedFiles())).toEqual(['config.json', 'original/params.json']);
  });

  it('an index gives the manifest for linux/amd64, and one without it must be named', async () => {
    const repository = `acme/index-${pushed++}`;
    const digest = await pushArtifact(
      registry,
      repository,
      'one',
      forms['ModelPack with raw layers']?.() ?? image([]),
    );
    const size = Buffer.byteLength(
      await (
        await fetch(`${registry.url}/v2/${repository}/manifests/one`, {
          headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
        })
      ).text(),
    );
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const index = (platforms: readonly string[]): Buffer =>
      Buffer.from(
        JSON.stringify({
          ...{ schemaVersion: 2, mediaType },
          manifests: platforms.map((architecture) => ({
            mediaType: 'application/vnd.oci.image.manifest.v1+json',
            ...{ digest, size, platform: { os: 'linux', architecture } },
          })),
        }),
      );
    await pushManifest(
      `${registry.url}/v2/${repository}`,
      'both',
      index(['arm64', 'amd64']),
      mediaType,
    );
    await pushManifest(
      `${registry.url}/v2/${repository}`,
      'other',
      index(['arm64', 's390x']),
      mediaType,
    );
    expect((await lock(`oci://${registry.host}/${repository}:both`)).error).toBeUndefined();
    expect(lockedFiles()).toEqual(wanted());
    expect((await lock(`oci://${registry.host}/${repository}:other`)).error?.code).toBe(
      'source-unsupported',
    );
  });

  it('of Ollama or Docker, each layer is a file with a name of its own', async () => {
    const gguf = readFileSync(join(root, 'chat.gguf'));
    const layer = (name: string, text: string | Buffer): PushedLayer => ({
      mediaType: `application/vnd.${name}`,
      bytes: Buffer.from(text),
    });
    const docker2 = 'application/vnd.docker.distribution.manifest.v2+json';
    await pushArtifact(registry, 'library/tiny', '1b', {
      mediaType: docker2,
      config: json('application/vnd.docker.container.image.v1+json', { model_format: 'gguf' }),
      layers: [
        layer('ollama.image.model', gguf),
        layer('ollama.image.template', '{{ .Prompt }}'),
        layer('ollama.image.params', '{"stop":["x"]}'),
        layer('ollama.image.license', 'Apache License'),
        layer('ollama.image.license', 'Further terms'),
      ],
    });
    const source = `ollama://${registry.host}/library/tiny:1b`;
    expect((await lock(source)).error).toBeUndefined();
    expect(lockedFiles()).toEqual({
      'LICENSE-2.txt': digestOf(Buffer.from('Further terms')),
      'LICENSE.txt': digestOf(Buffer.from('Apache License')),
      'model.gguf': digestOf(gguf),
      'params.json': digestOf(Buffer.from('{"stop":["x"]}')),
      'template.txt': digestOf(Buffer.from('{{ .Prompt }}')),
    });
    const docker = await push({
      config: json('application/vnd.docker.ai.model.config.v0.1+json', {}),
      layers: [
        layer('docker.ai.gguf.v3', gguf),
        layer('docker.ai.license', 'Apache License'),
        layer('docker.ai.chat.template.jinja', '{{ messages }}'),
      ],
    });
    expect((await lock(docker)).error).toBeUndefined();
    expect(Object.keys(lockedFiles())).toEqual([
      'LICENSE.txt',
      'chat_template.jinja',
      'model.gguf',
    ]);
  });
});

describe('when a model in a registry is hostile or broken', () => {
  const kit = (...layers: Buffer[]): PushedArtifact => ({
    config: json('application/vnd.kitops.modelkit.config.v1+json', {}),
    layers: layers.map((bytes) => ({
      mediaType: 'application/vnd.kitops.modelkit.model.v1.tar',
      bytes,
    })),
  });
  const renamed = (to: string): Buffer =>
    tarOf({ a: 'text' }, '-P', `--transform=s,^\\./a$,${to},`);
  const hostile: Readonly<Record<string, [() => PushedArtifact, string]>> = {
    'a path above the archive': [() => kit(renamed('../../etc/passwd')), 'path-unsafe'],
    'a path that goes up in the middle': [() => kit(renamed('a/../../b')), 'path-unsafe'],
    'a path above the models of an image': [
      () => image([gzipSync(renamed('models/../../b'))]),
      'path-unsafe',
    ],
    'a link': [() => kit(tarOf({ a: 'text', b: '->a' })), 'file-kind'],
    'a link in the models of an image': [
      () => image([gzipSync(tarOf({ 'models/a': '->/etc/passwd' }))]),
      'file-kind',
    ],
    'a pipe': [
      () => {
        const folder = scratch.fresh('pipe');
        mkdirSync(folder);
        execFileSync('mkfifo', [join(folder, 'a')]);
        return kit(execFileSync('tar', ['-cf', '-', '-C', folder, '.']));
      },
      'file-kind',
    ],
    'the same file twice in one archive': [
      () =>
        kit(
          execFileSync('sh', [
            '-c',
            `cd ${root} && tar -cf - config.json config.json --hard-dereference`,
          ]),
        ),
      'source-malformed',
    ],
    'the same file in two archives': [
      () => kit(tarOf({ a: 'one' }), tarOf({ a: 'two' })),
      'source-malformed',
    ],
    'an archive that is cut': [
      () => kit(tar(['config.json']).subarray(0, 700)),
      'source-malformed',
    ],
    'an archive that ends in a file': [
      () => kit(tar(['model.safetensors']).subarray(0, 5 * MIB)),
      'source-malformed',
    ],
    'something else than an archive': [
      () => kit(Buffer.from('x'.repeat(2000))),
      'source-malformed',
    ],
    'a compressed archive that is cut': [
      () => image([gzipSync(tarOf({ 'models/a': 'text'.repeat(5000) })).subarray(0, 100)]),
      'source-malformed',
    ],
    'an archive that is compressed twice': [
      () => image([gzipSync(gzipSync(tarOf({ 'models/a': 'text' })))]),
      'source-malformed',
    ],
    'an image without models': [
      () => image([gzipSync(tarOf({ 'bin/sh': 'x' }))]),
      'source-not-found',
    ],
    'layers without names': [
      () => ({
        config: json('application/vnd.oci.empty.v1+json', {}),
        layers: [{ mediaType: 'application/octet-stream', bytes: Buffer.from('x') }],
      }),
      'source-unsupported',
    ],
  };

  it.each(Object.entries(hostile))('%s is refused', async (_, [form, code]) => {
    const source = await push(form());
    const { error } = await lock(source);
    expect(error?.code).toBe(code);
    expect(readdirSync(cwd)).not.toContain('stowage.lock.json');
  });

  it('a pickle in an archive is refused as any other', async () => {
    const pickle = Buffer.from(
      '80049526000000000000008c05706f736978948c0673797374656d9493948c0b726d202d7266202f7e942f9452942e',
      'hex',
    );
    const folder = scratch.fresh('pickle');
    mkdirSync(folder);
    writeFileSync(join(folder, 'model.bin'), pickle);
    const source = await push(kit(execFileSync('tar', ['-cf', '-', '-C', folder, '.'])));
    expect((await lock(source)).error?.code).toBe('content-refused');
  });

  it.each([
    'oci://registry.example/Acme/Chat:v1',
    'oci://registry.example/acme/chat:v1@sha256:short',
    'oci://registry.example/acme/chat:not a tag',
  ])('the reference %s is refused before anything is asked', async (source) => {
    expect((await lock(source)).error?.code).toBe('manifest-invalid');
  });
});
