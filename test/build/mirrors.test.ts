import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import type { Lock } from '../../src/format/lock.ts';
import { pushArtifact } from '../lab/artifact.ts';
import { type Hub, startHub } from '../lab/hub.ts';
import { run as runTool } from '../lab/process.ts';
import { type Registry, startRegistry } from '../lab/registry.ts';
import { skopeo } from '../lab/skopeo.ts';
import { type LayoutImage, tinyImage } from '../lab/tiny-image.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const root = join(scratch.root, 'model');
const paths = ['README.md', 'config.json', 'weights/model.bin'];
let hub: Hub;
let registry: Registry;
let web: Server;
let list: string;
let image: LayoutImage;
let cwd: string;

const sums = (): Buffer =>
  Buffer.from(
    paths.map((path) => `${digestOf(readFileSync(join(root, path))).slice(7)}  ${path}\n`).join(''),
  );

beforeAll(async () => {
  mkdirSync(join(root, 'weights'), { recursive: true });
  writeFileSync(join(root, 'README.md'), '---\nlicense: mit\n---\n');
  writeFileSync(join(root, 'config.json'), '{"model_type":"llama"}\n');
  writeFileSync(join(root, 'weights/model.bin'), Buffer.alloc(3_000_000, 'weights '));
  hub = await startHub({ repos: [{ name: 'acme/chat', revisions: { main: root } }] });
  registry = await startRegistry(join(scratch.root, 'registry'));
  const tar = join(scratch.root, 'model.tar');
  await runTool('tar', ['-cf', tar, '--transform=s,^,models/,', '-C', root, ...paths]);
  await pushArtifact(registry, 'acme/car', 'v1', {
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      bytes: Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64' })),
    },
    layers: [
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        bytes: gzipSync(readFileSync(tar), { level: 1 }),
      },
    ],
  });
  await pushArtifact(registry, 'acme/pack', 'v1', {
    config: { mediaType: 'application/vnd.cncf.model.config.v1+json', bytes: Buffer.from('{}') },
    layers: paths.map((path) => ({
      mediaType: 'application/vnd.cncf.model.weight.v1.raw',
      bytes: readFileSync(join(root, path)),
      annotations: { 'org.cncf.model.filepath': path },
    })),
  });
  web = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '').replace('/m/', '');
    if (path !== 'SHA256SUMS' && !paths.includes(path)) return response.writeHead(404).end();
    const bytes = path === 'SHA256SUMS' ? sums() : readFileSync(join(root, path));
    return response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  list = `http://127.0.0.1:${(web.address() as AddressInfo).port}/m/SHA256SUMS`;
  image = await tinyImage(join(scratch.root, 'layout'));
  const from = `oci:${image.layout}:${image.imageTag}`;
  const to = `docker://${registry.host}/acme/app:1`;
  await skopeo(['copy', '--quiet', '--dest-tls-verify=false', from, to]);
});

afterAll(async () => {
  await Promise.all([hub.stop(), registry.stop()]);
  web.closeAllConnections();
  web.close();
});

beforeEach(() => {
  cwd = scratch.fresh('cwd');
  mkdirSync(cwd);
  cpSync(root, join(cwd, 'there'), { recursive: true });
  cpSync(root, join(cwd, 'other'), { recursive: true });
  writeFileSync(join(cwd, 'other/weights/model.bin'), Buffer.alloc(3_000_000, 'changed '));
});

/** Nobody listens there. */
const GONE = '127.0.0.1:9';
const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(args, cwd, { env: { STOWAGE_STORE: join(cwd, 'store'), HF_ENDPOINT: hub.url } });
const write = (content: object): void =>
  writeFileSync(
    join(cwd, 'stowage.yaml'),
    JSON.stringify({ apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', ...content }),
  );
const lock = (source: string, mirrors: readonly string[], more: object = {}): Promise<Ran> => {
  write({ models: [{ name: 'chat', source, mirrors, ...more }] });
  return run('lock');
};
const locked = (): Lock => JSON.parse(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8'));
const pack = (): Promise<Ran> => {
  rmSync(join(cwd, 'store'), { recursive: true });
  return run('pack', '--no-installer', '--output', 'out');
};
const digests = (): (readonly string[])[] =>
  locked().models[0]?.files.map(({ path, digest }) => [path, digest]) ?? [];
const expected = (): (readonly string[])[] =>
  paths.map((path) => [path, digestOf(readFileSync(join(root, path)))]);

const mirrors: Readonly<Record<string, () => string>> = {
  'another Hub': () => `hf+${hub.url}/acme/chat@main`,
  'a folder': () => './there',
  ModelPack: () => `oci://${registry.host}/acme/pack:v1`,
  'a modelcar': () => `oci://${registry.host}/acme/car:v1`,
  'a list': () => list,
};
const withDigest = (source: string): object =>
  source === list ? { digest: digestOf(sums()) } : {};

describe('when the source of a model does not answer', () => {
  it.each(Object.entries(mirrors))('lock reads it from %s', async (_, mirror) => {
    const found = await lock('hf://acme/none@main', ['./nowhere', mirror()], withDigest(mirror()));
    expect(found.error).toBeUndefined();
    expect(found.stderr).toContain(`trying "./nowhere" instead`);
    expect(found.stderr).toContain(`trying "${mirror()}" instead`);
    expect(locked().models[0]).toMatchObject({
      source: 'hf://acme/none@main',
      mirror: mirror(),
    });
    expect(digests()).toEqual(expected());
    expect((await pack()).error).toBeUndefined();
  });

  it.each(Object.entries(mirrors))('pack takes the same bytes from %s', async (_, mirror) => {
    const folder = join(cwd, 'first');
    cpSync(root, folder, { recursive: true });
    expect((await lock('./first', [mirror()], withDigest(mirror()))).error).toBeUndefined();
    expect(locked().models[0]?.mirror).toBeUndefined();
    const before = readFileSync(join(cwd, 'stowage.lock.json'));
    rmSync(folder, { recursive: true });
    const packed = await pack();
    expect(packed.error).toBeUndefined();
    expect(packed.stderr).toContain(`trying "${mirror()}" instead`);
    expect(readFileSync(join(cwd, 'stowage.lock.json'))).toEqual(before);
  });

  it('a model from archives is taken from a mirror too', async () => {
    expect((await lock(`oci://${registry.host}/acme/car:v1`, ['./there'])).error).toBeUndefined();
    const text = readFileSync(join(cwd, 'stowage.yaml'), 'utf8');
    expect(text).toContain(registry.host);
    await registry.stop();
    try {
      const packed = await pack();
      expect(packed.error).toBeUndefined();
      expect(packed.stderr).toContain('trying "./there" instead');
    } finally {
      const port = Number(registry.host.split(':')[1]);
      registry = await startRegistry(join(scratch.root, 'registry'), { port });
    }
  });

  it('the error names every source if none can be used', async () => {
    const { error } = await lock('hf://acme/none@main', ['./nowhere', `oci://${GONE}/x:1`]);
    expect(error?.code).toBe('source-not-found');
    expect(error?.defects).toHaveLength(3);
  });
});

describe('when a mirror serves other bytes', () => {
  it('it is refused, and the next is used', async () => {
    cpSync(root, join(cwd, 'first'), { recursive: true });
    expect((await lock('./first', ['./other', './there'])).error).toBeUndefined();
    rmSync(join(cwd, 'first'), { recursive: true });
    const packed = await pack();
    expect(packed.error).toBeUndefined();
    expect(packed.stderr).toMatch(/weights\/model\.bin of chat: "\.\/other" is refused/);
    expect(packed.stderr).toContain('trying "./there" instead');
  });

  it('nothing is packed if it is the last', async () => {
    cpSync(root, join(cwd, 'first'), { recursive: true });
    expect((await lock('./first', ['./other'])).error).toBeUndefined();
    rmSync(join(cwd, 'first'), { recursive: true });
    const { error } = await pack();
    expect(error?.code).toBe('file-missing');
    expect(error?.defects?.join('\n')).toContain('source-mismatch');
  });
});

describe('when an image has mirrors', () => {
  const stated = (): string => `${GONE}/acme/app@${image.imageDigest}`;
  const lockImage = (source: string, others: readonly string[]): Promise<Ran> => {
    write({ images: [{ name: 'app', source, mirrors: others }] });
    return run('lock');
  };

  it.each([
    ['a registry', () => `${registry.host}/acme/app:1`],
    ['a layout', () => `oci:./layout:${image.imageTag}`],
  ])('lock and pack read it from %s, under its own name', async (_, mirror) => {
    cpSync(image.layout, join(cwd, 'layout'), { recursive: true });
    const found = await lockImage(stated(), [mirror()]);
    expect(found.error).toBeUndefined();
    const [only] = locked().images;
    expect(only).toMatchObject({
      source: stated(),
      mirror: mirror(),
      repository: `${GONE}/acme/app`,
    });
    expect((await pack()).error).toBeUndefined();
    const provenance = readFileSync(join(cwd, 'out/attestations/provenance.slsa.json'), 'utf8');
    expect(provenance).toContain(mirror().startsWith('oci:') ? mirror() : `oci://${registry.host}`);
  });

  it('pack takes its blobs from a mirror', async () => {
    cpSync(image.layout, join(cwd, 'layout'), { recursive: true });
    const mirror = `${registry.host}/acme/app:1`;
    expect((await lockImage(`oci:./layout:${image.imageTag}`, [mirror])).error).toBeUndefined();
    rmSync(join(cwd, 'layout'), { recursive: true });
    const packed = await pack();
    expect(packed.error).toBeUndefined();
    expect(packed.stderr).toContain(`trying "${mirror}" instead`);
  });

  it('a mirror with another image than the stated one is refused', async () => {
    cpSync(image.layout, join(cwd, 'layout'), { recursive: true });
    const wrong = `${GONE}/acme/app@sha256:${'a'.repeat(64)}`;
    const { error } = await lockImage(wrong, [`oci:./layout:${image.imageTag}`]);
    expect(error?.defects?.join('\n')).toContain('source-mismatch');
  });
});

describe('when mirrors are written', () => {
  it.each([
    ['none', []],
    ['one twice', ['./there', './there']],
    ['one in no form', ['there']],
    ['nine', Array.from({ length: 9 }, (_, at) => `./there${at}`)],
  ])('refuses %s', async (_, others) => {
    expect((await lock('hf://acme/chat@main', others)).error?.code).toBe('manifest-invalid');
  });

  it('the digest of a list is required for a mirror too', async () => {
    expect((await lock('./there', [list])).error?.code).toBe('manifest-invalid');
  });
});
