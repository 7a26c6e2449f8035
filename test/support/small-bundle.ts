import { createCipheriv, createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AssembleOptions, assemble } from '../../src/build/assemble.ts';
import { type BuiltInstaller, findInstallers } from '../../src/build/installers.ts';
import { signBundle } from '../../src/bundle/signing/sign.ts';
import { type Digest, sriHex, sriOf } from '../../src/core/digest.ts';
import { canonicalBytes, type Json } from '../../src/core/json.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import { checkDocument, readValue } from '../../src/format/document.ts';
import { installerPath, toolkitPath } from '../../src/format/installer.ts';
import { type Lock, lockKind } from '../../src/format/lock.ts';
import type { LockedBlob } from '../../src/format/locked-content.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import type { Trust } from '../../src/format/trust.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { hostPlatform } from '../../src/target/host/platform.ts';
import type { Certificate } from '../../src/trust/certificate.ts';
import { throwawayAuthority } from '../../src/trust/certificate-issue.ts';
import { type Signer, signDetached } from '../../src/trust/cms-sign.ts';
import { trustFromRoot } from '../../src/trust/trust-root.ts';
import { context, packedAt } from './context.ts';
import { tarOf } from './tar.ts';

/** Who signs small bundles, and the trust document under which that counts. */
export interface Authority {
  readonly root: Certificate;
  readonly signer: Signer;
  readonly trust: Trust;
}

export interface SmallBundleOptions {
  /** The folder in which everything is made. */
  readonly place: string;
  /** Absent: a new one. */
  readonly authority?: Authority;
  readonly name?: string;
  readonly version?: string;
  readonly channel?: string;
  readonly seq?: number;
  /** 0 for whole blobs, or a multiple of 4 MiB. */
  readonly partSize?: number;
  /** Bytes of the model's weights; several parts when larger than the part size. */
  readonly weights?: number;
  /** What the content of the weights depends on, instead of name and version. */
  readonly weightsOf?: string;
  /** The model's weights, in place of these two. */
  readonly weightsBytes?: Buffer;
  /** Recovery rows. */
  readonly parity?: number;
  /** Deals it to discs: `folder` then holds `disc-K-of-N`. */
  readonly discs?: AssembleOptions['discs'];
  /** So many further small files, each a part. */
  readonly crumbs?: number;
  /** False for a bundle of one file alone, which is as small as bundles get. */
  readonly images?: boolean;
  /** True for a small file in place of an installer, for the platform of the bundle; the folder of real ones. */
  readonly installer?: boolean | string;
  /** A toolkit for the platform of the bundle, with this content. */
  readonly toolkit?: Buffer;
  /** True for a bundle that carries nothing but word, such as `recalls`. */
  readonly notice?: boolean;
  readonly recalls?: readonly object[];
  readonly platform?: string;
  /** An OCI layout and the image in it that runs, in place of one that only looks like it. */
  readonly image?: { readonly layout: string; readonly manifest: Digest };
  readonly secrets?: Readonly<Record<string, object>>;
  /** As in a manifest; one service without ports unless said otherwise. */
  readonly services?: readonly object[];
  readonly acceptance?: readonly object[];
  readonly evaluations?: readonly object[];
  readonly knownEgress?: readonly object[];
  /** The text of `files` named `questions`. */
  readonly questions?: string;
  readonly parameters?: Readonly<Record<string, object>>;
  readonly requires?: object;
  /** What a release needs of a cluster. */
  readonly cluster?: object;
  /**
   * The bytes of optional models, by their names. Each has an optional service of its name and an optional image `server-NAME`,
   * which shares a layer with that of every site.
   */
  readonly sizes?: Readonly<Record<string, number>>;
}

export interface SmallBundle extends Authority {
  readonly folder: string;
  /** The folders of its discs, where it was dealt. */
  readonly discs: readonly string[];
  /** SHA-512 of `SHA512SUMS`. */
  readonly id: string;
  readonly bundle: Bundle;
  readonly lock: Lock;
  readonly authority: Authority;
}

export const SMALL_SERVICE: object = {
  name: 'server',
  image: 'server',
  args: ['--model', '/models/tiny'],
  mounts: [
    { model: 'tiny', path: '/models/tiny' },
    { files: 'settings', path: '/etc/settings.json' },
  ],
};

function optionalService(name: string): object {
  return {
    ...{ name, image: `server-${name}`, optional: true },
    mounts: [{ model: name, path: '/models/sized' }],
  };
}

export function makeAuthority(organization = 'Example Agency'): Authority {
  const { root, release } = throwawayAuthority(organization, new Date('2026-01-01T00:00:00Z'), [
    Buffer.alloc(16, 1),
    Buffer.alloc(16, 2),
  ]);
  const trust = trustFromRoot(root.certificate, packedAt);
  return { root: root.certificate, signer: release, trust };
}

/** A complete signed bundle, made by the real code without a network. */
export async function smallBundle(options: SmallBundleOptions): Promise<SmallBundle> {
  const authority = options.authority ?? makeAuthority();
  const { name = 'chat', version = '1.0.0' } = options;
  const store = new BlobStore(join(options.place, 'store'));
  const lock = await smallLock(options, store);
  const installers = await installersOf(options, lock);
  const output = join(options.place, `${name}-${version}`);
  const { folder, bundle, id, discs } = await assemble(lock, {
    ...context(),
    store,
    output,
    partSize: options.partSize ?? 0,
    installers,
    ...(options.parity === undefined ? {} : { parity: options.parity }),
    ...(options.discs === undefined ? {} : { discs: options.discs }),
  });
  await signBundle(folder, 'release', authority.signer, packedAt);
  return { ...authority, authority, folder, discs, bundle, id, lock };
}

/** What a stand-in holds depends on the bundle. */
async function installersOf(
  options: SmallBundleOptions,
  lock: Lock,
): Promise<readonly BuiltInstaller[]> {
  const { place, toolkit } = options;
  const { platforms } = lock.manifest;
  const installers = await plainInstallersOf(options, lock);
  if (toolkit === undefined) return installers;
  const folder = join(place, 'toolkits');
  mkdirSync(folder, { recursive: true });
  for (const each of platforms) writeFileSync(join(folder, toolkitPath(each) ?? ''), toolkit);
  return [...installers, ...(await findInstallers(folder, platforms, 'toolkit'))];
}

async function plainInstallersOf(
  { place, installer = false }: SmallBundleOptions,
  { manifest }: Lock,
): Promise<readonly BuiltInstaller[]> {
  if (installer === false) return [];
  if (installer !== true) return findInstallers(installer, manifest.platforms);
  const folder = join(place, 'installers');
  mkdirSync(folder, { recursive: true });
  for (const each of manifest.platforms) {
    const text = `#!/bin/sh\necho stowage of ${manifest.name} ${manifest.version}\n`;
    writeFileSync(join(folder, installerPath(each) ?? ''), text);
  }
  return findInstallers(folder, manifest.platforms);
}

async function smallLock(options: SmallBundleOptions, store: BlobStore): Promise<Lock> {
  const { name = 'chat', version = '1.0.0', channel = 'stable', notice = false } = options;
  const images = (options.images ?? true) && !notice;
  const sizes = Object.keys(options.sizes ?? {});
  const platform = options.platform ?? hostPlatform();
  const put = async (bytes: Buffer, mediaType: string): Promise<LockedBlob> => ({
    digest: await store.put(bytes),
    size: bytes.length,
    mediaType,
  });
  const settings = await put(Buffer.from(`{"release":"${name}-${version}"}`), 'application/json');
  const questions =
    options.questions === undefined
      ? undefined
      : await put(Buffer.from(options.questions), 'application/jsonl');
  const commit = createHash('sha1').update(`${name} ${version}`).digest('hex');
  const manifest = checkDocument(manifestKind, {
    apiVersion: 'stowage/v1',
    name,
    version,
    channel,
    platforms: [platform],
    models: images
      ? [
          { name: 'tiny', source: 'hf://example/tiny@main' },
          ...sizes.map((size) => ({ name: size, source: `hf://example/${size}`, optional: true })),
        ]
      : [],
    images: images
      ? [
          { name: 'server', source: 'registry.example/server:1' },
          ...sizes.map((size) => ({
            ...{ name: `server-${size}`, source: `registry.example/${size}:1`, optional: true },
          })),
        ]
      : [],
    files: notice
      ? []
      : [
          { name: 'settings', source: './settings.json' },
          ...(options.questions === undefined
            ? []
            : [{ name: 'questions', source: './questions.jsonl' }]),
        ],
    ...(options.recalls === undefined ? {} : { recalls: options.recalls }),
    services: [
      ...(options.services ?? (images ? [SMALL_SERVICE] : [])),
      ...sizes.map((size) => optionalService(size)),
    ],
    acceptance: options.acceptance ?? [],
    ...(options.evaluations === undefined ? {} : { evaluations: options.evaluations }),
    ...(options.knownEgress === undefined ? {} : { knownEgress: options.knownEgress }),
    parameters: options.parameters ?? {},
    secrets: options.secrets ?? {},
    requires: options.requires ?? {},
    ...(options.cluster === undefined ? {} : { cluster: options.cluster }),
  });
  const model = async (): Promise<Lock['models'][number]> => {
    const weights = await put(
      options.weightsBytes ??
        pattern(options.weights ?? 5000, options.weightsOf ?? `${name} ${version}`),
      'x/y',
    );
    const config = await put(Buffer.from('{"layers":1}'), 'x/y');
    const crumbs: Lock['models'][number]['files'][number][] = [];
    for (let index = 0; index < (options.crumbs ?? 0); index++) {
      const { digest, size } = await put(pattern(100 + 37 * index, `crumb ${index}`), 'x/y');
      crumbs.push({ path: `crumbs/${index}.bin`, size, digest });
    }
    const [source] = manifest.models;
    return {
      name: 'tiny',
      source: source?.source ?? '',
      endpoint: 'https://hub.example',
      repository: 'example/tiny',
      commit,
      license: 'apache-2.0',
      gated: false,
      files: [
        { path: 'model.safetensors', size: weights.size, digest: weights.digest },
        // As git has it: a file that the Hub does not keep in LFS.
        {
          ...{ path: 'config.json', size: config.size, digest: config.digest },
          gitOid: '298a277eb886e03488a3032b600ff1221f8f0e35',
        },
        ...crumbs,
      ],
    };
  };
  const optionalModel = async (size: string): Promise<Lock['models'][number]> => {
    const { files, ...rest } = await model();
    const bytes = pattern(options.sizes?.[size] ?? 0, `${options.weightsOf ?? version} ${size}`);
    const weights = await put(bytes, 'x/y');
    return {
      ...{ ...rest, name: size, repository: `example/${size}`, source: `hf://example/${size}` },
      files: [
        { path: 'model.gguf', size: weights.size, digest: weights.digest },
        ...files.filter(({ path }) => path === 'config.json'),
      ],
    };
  };
  const image = async (own?: string): Promise<Lock['images'][number]> => {
    const oci = 'application/vnd.oci.image';
    const layer = await put(
      tarOf({ path: 'layer', data: `layer of ${name} ${version}` }),
      `${oci}.layer.v1.tar`,
    );
    const added =
      own === undefined ? [] : [await put(tarOf({ path: own, data: own }), `${oci}.layer.v1.tar`)];
    const layers = [layer, ...added];
    const [os, architecture] = platform.split('/');
    const config = await put(
      canonicalBytes({
        os: os ?? '',
        architecture: architecture ?? '',
        rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
      }),
      `${oci}.config.v1+json`,
    );
    const target = await put(
      canonicalBytes({
        schemaVersion: 2,
        mediaType: `${oci}.manifest.v1+json`,
        config: { ...config },
        layers: layers.map((each) => ({ ...each })),
      }),
      `${oci}.manifest.v1+json`,
    );
    const path = own ?? 'server';
    return {
      name: own === undefined ? 'server' : `server-${own}`,
      source: `registry.example/${path}:1`,
      repository: `registry.example/${path}`,
      target,
      platforms: [{ platform, manifest: target.digest, config: config.digest }],
      blobs: [target, config, ...layers],
    };
  };
  const realImage = async ({
    layout,
    manifest: digest,
  }: NonNullable<SmallBundleOptions['image']>): Promise<Lock['images'][number]> => {
    const read = (each: string): Buffer =>
      readFileSync(join(layout, 'blobs', each.replace(':', '/')));
    const found = JSON.parse(read(digest).toString('utf8')) as {
      readonly mediaType: string;
      readonly config: LockedBlob;
      readonly layers: readonly LockedBlob[];
    };
    const target = await put(read(digest), found.mediaType);
    const blobs = [target];
    for (const each of [found.config, ...found.layers])
      blobs.push(await put(read(each.digest), each.mediaType));
    return {
      name: 'server',
      source: 'registry.example/server:1',
      repository: 'registry.example/server',
      target,
      platforms: [{ platform, manifest: digest, config: found.config.digest }],
      blobs,
    };
  };
  return readValue(lockKind, {
    schema: 'stowage/lock/v1',
    seq: options.seq ?? 1,
    resolvedAt: '2026-11-20T00:00:00Z',
    manifest,
    models: images ? [await model(), ...(await Promise.all(sizes.map(optionalModel)))] : [],
    images: images
      ? [
          await (options.image === undefined ? image() : realImage(options.image)),
          ...(await Promise.all(sizes.map(image))),
        ]
      : [],
    files: notice
      ? []
      : [
          {
            name: 'settings',
            source: './settings.json',
            kind: 'file',
            path: 'settings.json',
            digest: settings.digest,
            size: settings.size,
          },
          ...(questions === undefined
            ? []
            : [
                {
                  name: 'questions',
                  source: './questions.jsonl',
                  kind: 'file',
                  path: 'questions.jsonl',
                  digest: questions.digest,
                  size: questions.size,
                },
              ]),
        ],
    findings: [],
  });
}

/** Bytes that depend on the seed and repeat nowhere near. */
export function pattern(size: number, seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

export interface Resigning {
  /** Bends the index; whatever it returns is written, valid or not. */
  readonly index?: (bundle: Bundle) => object;
  /** Bends the lines of `SHA512SUMS`, without their line feeds. */
  readonly lines?: (lines: string[]) => string[];
  /** The whole text, where lines are not enough. */
  readonly checksums?: (text: string) => string;
  /** When it is signed. */
  readonly at?: Date;
}

/**
 * Makes `bundle.json` and `SHA512SUMS` agree with what a test put into the folder, but for what it bends, and signs
 * anew with the right key: for bundles that are wrong and signed all the same.
 * @returns the new id
 */
export function resign(folder: string, authority: Authority, bend: Resigning = {}): string {
  const read = (path: string): Buffer => readFileSync(join(folder, path));
  const sum = (path: string): string => sriHex(sriOf(read(path)));
  const bundle = JSON.parse(read('bundle.json').toString()) as Bundle;
  const control = bundle.control.map((each) => ({
    path: each.path,
    size: read(each.path).length,
    sha512: sriOf(read(each.path)),
  }));
  const index = bend.index?.({ ...bundle, control }) ?? { ...bundle, control };
  writeFileSync(join(folder, 'bundle.json'), canonicalBytes(index as Json));
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).slice(folder.length + 1))
    .filter((path) => path !== 'SHA512SUMS' && !path.startsWith('signatures/'));
  const lines = files.map((path) => `${sum(path)}  ${path}`).toSorted(byPath);
  const text = (bend.lines?.(lines) ?? lines).map((line) => `${line}\n`).join('');
  const checksums = Buffer.from(bend.checksums?.(text) ?? text, 'latin1');
  writeFileSync(join(folder, 'SHA512SUMS'), checksums);
  rmSync(join(folder, 'signatures'), { recursive: true, force: true });
  // `signBundle` refuses what it can see is wrong; this signs it all the same.
  mkdirSync(join(folder, 'signatures'));
  const signature = signDetached(checksums, authority.signer, bend.at ?? packedAt);
  writeFileSync(join(folder, 'signatures', 'release.p7s'), signature);
  return sriHex(sriOf(checksums));
}

/** Bends of an index that contradict the manifests in the bundle, or the grammar of names, in a signed bundle. */
export const contradictions: Readonly<Record<string, (bundle: Bundle) => object>> = {
  'weights as the manifest of a model': (b) => inFirst(b, 'models', { manifest: weightsOf(b) }),
  'the manifest of another kind as that of a model': (b) =>
    inFirst(b, 'models', { manifest: b.files[0]?.manifest }),
  'weights as the manifest of files': (b) => inFirst(b, 'files', { manifest: weightsOf(b) }),
  'files that their manifest does not list': (b) =>
    inFirst(b, 'files', { digest: b.models[0]?.files[1]?.digest, size: 12 }),
  'a file fewer than the manifest of its model': (b) =>
    inFirst(b, 'models', { files: b.models[0]?.files.slice(1) }),
  'weights as the config of an image': (b) => inPlatform(b, { config: weightsOf(b) }),
  'a config as the manifest of an image': (b) =>
    inPlatform(b, { manifest: b.images[0]?.platforms[0]?.config }),
  'weights as the index of an image': (b) =>
    inFirst(b, 'images', { target: { ...b.images[0]?.target, digest: weightsOf(b), size: 5000 } }),
};

function weightsOf(bundle: Bundle): Digest | undefined {
  return bundle.models[0]?.files[0]?.digest;
}

function inFirst(bundle: Bundle, list: 'models' | 'images' | 'files', values: object): object {
  return { ...bundle, [list]: bundle[list].map((each) => ({ ...each, ...values })) };
}

function inPlatform(bundle: Bundle, values: object): object {
  const platforms = bundle.images[0]?.platforms.map((each) => ({ ...each, ...values }));
  return inFirst(bundle, 'images', { platforms });
}

function byPath(a: string, b: string): number {
  return a.slice(130) < b.slice(130) ? -1 : 1;
}
