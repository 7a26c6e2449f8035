import { spawn } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import { createWriteStream, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** What an OCI descriptor says (image-spec v1.1 descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

export interface Layer {
  readonly descriptor: Descriptor;
  /** The digest of the tar before compression. */
  readonly diffId: string;
}

export interface ImageOptions {
  readonly platform: Platform;
  readonly layers: readonly Layer[];
  /** The `config` of the image: User, Entrypoint, Env, ... */
  readonly config: Readonly<Record<string, unknown>>;
}

const type = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;
const EPOCH = '1970-01-01T00:00:00Z';

/** Begins an empty OCI image layout in a folder. */
export function beginLayout(dir: string): void {
  mkdirSync(join(dir, 'blobs', 'sha256'), { recursive: true });
  writeFileSync(join(dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

/** Writes the tags of a layout: names to manifests or indexes. */
export function writeTags(dir: string, tags: Readonly<Record<string, Descriptor>>): void {
  const manifests = Object.entries(tags).map(([tag, descriptor]) => ({
    ...descriptor,
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }));
  const index = { schemaVersion: 2, mediaType: type.index, manifests };
  writeFileSync(join(dir, 'index.json'), JSON.stringify(index));
}

/** Packs a folder into a layer: the same files give the same bytes, whoever owns them and whenever they were written. */
export async function writeLayer(dir: string, folder: string): Promise<Layer> {
  const flags = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  const args = ['--create', '--format=gnu', ...flags, '--mode=u=rwX,go=rX', '-C', folder, '.'];
  const tar = spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const failed = new Promise<never>((_, fail) => {
    tar.on('error', fail);
    tar.on('exit', (code) => code !== 0 && fail(new Error(`tar ended with ${code}`)));
  });
  const [plain, packed] = [createHash('sha256'), createHash('sha256')];
  const temporary = join(dir, 'blobs', `.layer-${process.hrtime.bigint()}`);
  const written = pipeline(
    tar.stdout,
    tap(plain),
    createGzip({ level: 4 }),
    tap(packed),
    createWriteStream(temporary),
  );
  await Promise.race([written, failed]);
  const digest = `sha256:${packed.digest('hex')}`;
  renameSync(temporary, blobPath(dir, digest));
  const { size } = statSync(blobPath(dir, digest));
  const descriptor = { mediaType: type.layer, digest, size };
  return { descriptor, diffId: `sha256:${plain.digest('hex')}` };
}

/** Writes an image's config and manifest. */
export function writeImage(dir: string, options: ImageOptions): Descriptor {
  const config = writeJson(dir, type.config, {
    created: EPOCH,
    ...options.platform,
    config: options.config,
    rootfs: { type: 'layers', diff_ids: options.layers.map((layer) => layer.diffId) },
    history: options.layers.map(() => ({ created: EPOCH, created_by: 'stowage lab' })),
  });
  const manifest = writeJson(dir, type.manifest, {
    schemaVersion: 2,
    mediaType: type.manifest,
    config,
    layers: options.layers.map((layer) => layer.descriptor),
  });
  return { ...manifest, platform: options.platform };
}

/** Writes an index over images of several platforms. */
export function writeIndex(dir: string, images: readonly Descriptor[]): Descriptor {
  return writeJson(dir, type.index, { schemaVersion: 2, mediaType: type.index, manifests: images });
}

function writeJson(dir: string, mediaType: string, value: object): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  writeFileSync(blobPath(dir, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

function blobPath(dir: string, digest: string): string {
  return join(dir, 'blobs', digest.replace(':', '/'));
}

function tap(hash: Hash): PassThrough {
  return new PassThrough().on('data', (chunk: Buffer) => hash.update(chunk));
}
