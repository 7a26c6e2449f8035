import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import type { Lock } from '../../src/format/lock.ts';
import { type PushedLayer, pushArtifact } from '../lab/artifact.ts';
import { type Hub, startHub } from '../lab/hub.ts';
import { writeLargeModel } from '../lab/large-model.ts';
import { type Registry, startRegistry } from '../lab/registry.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';

const MIB = 1024 * 1024;
const scratch = scratchFolder();
const root = join(scratch.root, 'model');
const paths = ['README.md', 'config.json', 'model.safetensors', 'original/params.json'];
/** What a server may send in place of a file, by its path. */
const altered = new Map<string, Buffer>();
let hub: Hub;
let registry: Registry;
let web: Server;
let address: string;
let cwd: string;

beforeAll(async () => {
  writeLargeModel(join(root, 'model.safetensors'), 17 * MIB);
  mkdirSync(join(root, 'original'));
  writeFileSync(join(root, 'README.md'), '---\nlicense: apache-2.0\n---\n');
  writeFileSync(join(root, 'config.json'), '{"model_type":"llama"}\n');
  writeFileSync(join(root, 'original/params.json'), '{}');
  hub = await startHub({
    repos: [{ name: 'acme/chat', revisions: { main: root }, license: 'apache-2.0' }],
  });
  registry = await startRegistry(join(scratch.root, 'registry'));
  web = createServer((request, response) => {
    if (request.url?.startsWith('/bucket/') === true) return fromBucket(request, response);
    const path = decodeURIComponent(request.url ?? '').replace('/models/', '');
    if (path !== 'SHA256SUMS' && !paths.includes(path)) return response.writeHead(404).end();
    const bytes =
      altered.get(path) ?? (path === 'SHA256SUMS' ? list() : readFileSync(join(root, path)));
    const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    if (start === undefined)
      return response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    const last = end === '' ? bytes.length : Number(end) + 1;
    const range = `bytes ${start}-${last - 1}/${bytes.length}`;
    const part = bytes.subarray(Number(start), last);
    return response
      .writeHead(206, { 'content-range': range, 'content-length': part.length })
      .end(part);
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(web.address() as AddressInfo).port}/models/SHA256SUMS`;
});

afterAll(async () => {
  await Promise.all([hub.stop(), registry.stop()]);
  web.closeAllConnections();
  web.close();
});

beforeEach(() => {
  altered.clear();
  cwd = scratch.fresh('cwd');
  mkdirSync(cwd);
  cpSync(root, join(cwd, 'my-model'), { recursive: true });
});

/** As sha256sum writes it. */
const list = (): Buffer => Buffer.from(paths.map((path) => `${sha256(path)}  ${path}\n`).join(''));
const sha256 = (path: string): string => digestOf(readFileSync(join(root, path))).slice(7);

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(args, cwd, {
    env: {
      ...{ STOWAGE_STORE: join(cwd, 'store'), HF_ENDPOINT: hub.url },
      ...{ AWS_ENDPOINT_URL: new URL(address).origin, AWS_CONFIG_FILE: '/dev/null' },
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    },
  });
const lock = (model: object): Promise<Ran> => {
  const models = [{ name: 'chat', licenses: ['apache-2.0'], ...model }];
  const manifest = { apiVersion: 'stowage/v1', name: 'chat', version: '1.0.0', models };
  writeFileSync(join(cwd, 'stowage.yaml'), JSON.stringify(manifest));
  return run('lock');
};

/** A bucket in which every object is a file of the model, as an S3 store answers. */
function fromBucket(request: IncomingMessage, response: ServerResponse): unknown {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://store');
  if (searchParams.has('list-type')) {
    const objects = paths.map(
      (path) =>
        `<Contents><Key>chat/${path}</Key><Size>${statSync(join(root, path)).size}</Size></Contents>`,
    );
    return response.end(
      `<ListBucketResult><EncodingType>url</EncodingType>${objects.join('')}<IsTruncated>false</IsTruncated></ListBucketResult>`,
    );
  }
  const bytes = readFileSync(join(root, pathname.replace('/bucket/chat/', '')));
  const etag = `"${createHash('md5').update(bytes).digest('hex')}"`;
  const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  const part = bytes.subarray(Number(start ?? 0), end ? Number(end) + 1 : undefined);
  const last = Number(start ?? 0) + part.length - 1;
  const range =
    start === undefined ? {} : { 'content-range': `bytes ${start}-${last}/${bytes.length}` };
  response.writeHead(start === undefined ? 200 : 206, {
    ...{ etag, 'content-length': part.length, ...range },
  });
  return response.end(request.method === 'HEAD' ? undefined : part);
}

const json = (mediaType: string, value: object): PushedLayer => ({
  mediaType,
  bytes: Buffer.from(JSON.stringify(value)),
});
const tar = (...options: string[]): Buffer =>
  execFileSync('tar', ['-cf', '-', '-C', root, ...options, ...paths], { maxBuffer: 64 * MIB });

const sources: Readonly<Record<string, () => Promise<object>>> = {
  'a Hub': async () => ({ source: 'hf://acme/chat@main' }),
  'a local folder': async () => ({ source: './my-model' }),
  'the cache of huggingface_hub': async () => {
    const repository = join(cwd, 'hub/models--acme--chat');
    const snapshot = join(repository, 'snapshots', 'a'.repeat(40));
    mkdirSync(join(snapshot, 'original'), { recursive: true });
    mkdirSync(join(repository, 'blobs'));
    for (const path of paths) {
      const bytes = readFileSync(join(root, path));
      const git = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      const etag = bytes.length > MIB ? sha256(path) : git;
      writeFileSync(join(repository, 'blobs', etag), bytes);
      const up = path.includes('/') ? '../../../blobs' : '../../blobs';
      symlinkSync(`${up}/${etag}`, join(snapshot, path));
    }
    return { source: './hub/models--acme--chat' };
  },
  ModelPack: async () => {
    await pushArtifact(registry, 'acme/pack', 'v1', {
      config: json('application/vnd.cncf.model.config.v1+json', {}),
      layers: paths.map((path) => ({
        mediaType: 'application/vnd.cncf.model.weight.v1.raw',
        bytes: readFileSync(join(root, path)),
        annotations: { 'org.cncf.model.filepath': path },
      })),
    });
    return { source: `oci://${registry.host}/acme/pack:v1` };
  },
  'a ModelKit': async () => {
    await pushArtifact(registry, 'acme/kit', 'v1', {
      config: json('application/vnd.kitops.modelkit.config.v1+json', {}),
      layers: [{ mediaType: 'application/vnd.kitops.modelkit.model.v1.tar', bytes: tar() }],
    });
    return { source: `oci://${registry.host}/acme/kit:v1` };
  },
  'a modelcar': async () => {
    const config = { os: 'linux', architecture: 'amd64' };
    await pushArtifact(registry, 'acme/car', 'v1', {
      config: json('application/vnd.oci.image.config.v1+json', config),
      layers: [
        {
          mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
          bytes: gzipSync(tar('--transform=s,^,models/,'), { level: 1 }),
        },
      ],
    });
    return { source: `oci://${registry.host}/acme/car:v1` };
  },
  'a list on an https server': async () => ({ source: address, digest: digestOf(list()) }),
  'an S3-compatible store': async () => ({ source: 's3://bucket/chat' }),
  'another Hub, by its address': async () => ({ source: `hf+${hub.url}/acme/chat@main` }),
  'a mirror': async () => ({ source: 'hf://acme/none@main', mirrors: ['./my-model'] }),
  'a bundle': async () => {
    await madeBundle('first');
    return { source: 'bundle:./first:chat', trust: './pki/root.pem' };
  },
};

/** A signed bundle of the model, from the Hub, in small parts. */
async function madeBundle(output: string): Promise<void> {
  const must = async (...args: readonly string[]): Promise<void> => {
    const { error } = await run(...args);
    if (error !== undefined) throw error;
  };
  const models = [{ name: 'chat', source: 'hf://acme/chat@main', licenses: ['apache-2.0'] }];
  const manifest = { apiVersion: 'stowage/v1', name: 'first', version: '1.0.0', models };
  writeFileSync(join(cwd, 'first.yaml'), JSON.stringify(manifest));
  await must('pki', 'pki');
  await must('lock', 'first.yaml');
  await must('pack', 'first.yaml', '--no-installer', '--part-size', '8MiB', '--output', output);
  await must('sign', output, '--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem');
}

describe('when one model comes from each source in turn', () => {
  const seen = new Map<string, object>();

  it.each(Object.entries(sources))(
    '%s gives the same bytes in the bundle',
    async (name, source) => {
      expect((await lock(await source())).error).toBeUndefined();
      if (name !== 'a bundle') rmSync(join(cwd, 'store'), { recursive: true });
      else for (const path of paths) rmSync(join(cwd, 'store/blobs/sha256', sha256(path)));
      const { error } = await run('pack', '--no-installer', '--output', 'out');
      expect(error).toBeUndefined();
      const bundle: Bundle = JSON.parse(readFileSync(join(cwd, 'out/bundle.json'), 'utf8'));
      const files = bundle.models[0]?.files.map(({ path, digest, size }) => ({
        path,
        digest,
        size,
      }));
      expect(files).toEqual(
        paths.map((path) => ({
          path,
          digest: `sha256:${sha256(path)}`,
          size: statSync(join(root, path)).size,
        })),
      );
      expect(bundle.models[0]?.license).toBe('apache-2.0');
      const digests = new Set(files?.map(({ digest }) => digest));
      const blobs = bundle.blobs.filter(({ digest }) => digests.has(digest));
      expect(blobs).toHaveLength(paths.length);
      seen.set(name, blobs);
    },
  );

  it('the parts of these blobs are the same', () => {
    const [first, ...others] = seen.values();
    expect(others).toHaveLength(Object.keys(sources).length - 1);
    for (const each of others) expect(each).toEqual(first);
  });
});

describe('when a model comes from a bundle', () => {
  const source = { source: 'bundle:./first', trust: './pki/root.pem' };

  it('its origin, its signers and the evidence travel on', async () => {
    await madeBundle('first');
    expect((await lock(source)).error).toBeUndefined();
    const locked = JSON.parse(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8')) as Lock;
    const first = JSON.parse(
      readFileSync(join(cwd, 'first/attestations/lock.json'), 'utf8'),
    ) as Lock;
    const [model] = locked.models;
    const [before] = first.models;
    const id = createHash('sha512')
      .update(readFileSync(join(cwd, 'first/SHA512SUMS')))
      .digest('hex');
    expect(model).toMatchObject({ repository: 'acme/chat', commit: before?.commit });
    expect(model?.origin).toMatchObject({
      kind: 'bundle',
      uri: `urn:stowage:bundle:first@1.0.0:${id}`,
    });
    expect(model?.hop).toMatchObject({
      ...{ bundle: id, name: 'first', version: '1.0.0', seq: 1, endpoint: hub.url },
      signers: [expect.stringContaining('Trial Release')],
    });
    expect((await run('pack', '--no-installer', '--output', 'out')).error).toBeUndefined();
    const evidence = join(cwd, 'out/attestations/hop-chat');
    for (const path of ['SHA512SUMS', 'bundle.json', 'attestations/lock.json'])
      expect(readFileSync(join(evidence, path))).toEqual(readFileSync(join(cwd, 'first', path)));
    // With openssl alone, as in VERIFY.txt.
    const [signature = ''] = readdirSync(join(evidence, 'signatures'));
    const args = [
      'cms',
      '-verify',
      '-binary',
      '-purpose',
      'any',
      '-inform',
      'DER',
      '-out',
      '/dev/null',
    ];
    execFileSync('openssl', [
      ...args,
      ...['-CAfile', join(cwd, 'pki/root.pem'), '-content', join(evidence, 'SHA512SUMS')],
      ...['-in', join(evidence, 'signatures', signature)],
    ]);
    const provenance = readFileSync(join(cwd, 'out/attestations/provenance.slsa.json'), 'utf8');
    expect(provenance).toContain(`urn:stowage:bundle:first@1.0.0:${id}`);
    expect((await run('verify', 'out', '--trust', 'pki/root.pem')).error?.code).toBe(
      'signature-missing',
    );
  });

  it('a bundle whose signers are not trusted is refused', async () => {
    await madeBundle('first');
    expect((await run('pki', 'others')).error).toBeUndefined();
    const { error } = await lock({ ...source, trust: './others/root.pem' });
    expect(error?.exitStatus).toBe(10);
  });

  it('an unsigned or changed bundle is refused', async () => {
    await madeBundle('first');
    writeFileSync(join(cwd, 'first/VERIFY.txt'), 'changed');
    expect((await lock(source)).error?.exitStatus).not.toBe(0);
    rmSync(join(cwd, 'first/signatures'), { recursive: true });
    expect((await lock(source)).error?.exitStatus).toBe(10);
  });

  it('a part with other bytes is refused when it is packed', async () => {
    await madeBundle('first');
    expect((await lock(source)).error).toBeUndefined();
    const path = join(cwd, 'first/blobs/sha256', `${sha256('model.safetensors')}.0001`);
    const bytes = readFileSync(path);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    rmSync(path);
    writeFileSync(path, bytes);
    rmSync(join(cwd, 'store/blobs/sha256', sha256('model.safetensors')), { force: true });
    expect((await run('pack', '--no-installer')).error?.code).toBe('source-mismatch');
  });

  it.each([
    ['without its trust document', { source: 'bundle:./first' }],
    ['with a trust document for another source', { source: './my-model', trust: './root.pem' }],
  ])('%s, the manifest is refused', async (_, model) => {
    expect((await lock(model)).error?.code).toBe('manifest-invalid');
  });
});

describe('when a list on an https server is not what the manifest names', () => {
  const listed = (): Promise<Ran> => lock({ source: address, digest: digestOf(list()) });

  it('another list is refused, and a list without a digest', async () => {
    const digest = digestOf(list());
    altered.set('SHA256SUMS', Buffer.from(`${'a'.repeat(64)}  model.safetensors\n`));
    expect((await lock({ source: address, digest })).error?.code).toBe('source-mismatch');
    expect((await lock({ source: address })).error?.code).toBe('manifest-invalid');
  });

  it('a file that changed is refused when it is downloaded', async () => {
    expect((await listed()).error).toBeUndefined();
    rmSync(join(cwd, 'store'), { recursive: true });
    const bytes = readFileSync(join(root, 'model.safetensors'));
    bytes[9 * MIB] = (bytes[9 * MIB] ?? 0) ^ 1;
    altered.set('model.safetensors', bytes);
    expect((await run('pack', '--no-installer')).error?.code).toBe('source-mismatch');
  });

  const broken: readonly (readonly [string, string, string])[] = [
    ['a line without a digest', 'model.safetensors', 'source-malformed'],
    ['a digest in upper case', `${'A'.repeat(64)}  model.safetensors`, 'source-malformed'],
    ['a path twice', `${'a'.repeat(64)}  a\n${'b'.repeat(64)}  ./a`, 'source-malformed'],
    ['nothing', '', 'source-malformed'],
    ['a path above it', `${'a'.repeat(64)}  ../secret`, 'path-unsafe'],
    ['a file that the server does not have', `${'a'.repeat(64)}  none.bin`, 'source-not-found'],
    ['an HTML page', '<!doctype html><p>Sign in', 'source-malformed'],
  ];

  it.each(broken)('a list with %s is refused', async (_, text, code) => {
    altered.set('SHA256SUMS', Buffer.from(text));
    const { error } = await lock({ source: address, digest: digestOf(Buffer.from(text)) });
    expect(error?.code).toBe(code);
  });

  it('its origin is in the lock', async () => {
    expect((await listed()).error).toBeUndefined();
    const { models } = JSON.parse(readFileSync(join(cwd, 'stowage.lock.json'), 'utf8'));
    expect(models[0].origin).toEqual({ kind: 'https', uri: address, digest: digestOf(list()) });
    expect(models[0].commit).toBe(digestOf(list()).slice(7, 47));
    expect(basename(models[0].source)).toBe('SHA256SUMS');
  });
});
