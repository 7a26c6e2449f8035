import { type Digest, digestOf } from '../core/digest.ts';
import { canonicalBytes, type Json } from '../core/json.ts';
import { MIB } from '../core/limits.ts';
import { BLOCK_BYTES, encodeHeader, padding, type UstarStyle } from '../io/ustar.ts';
import type { CatalogEntry, Segment } from './catalog.ts';

export interface CarFile {
  readonly path: string;
  readonly size: number;
  readonly digest: Digest;
}

/** A layer of a modelcar before its digest is known: a tar of generated headers and blobs of the store. */
export interface CarLayer {
  readonly segments: readonly Segment[];
  readonly size: number;
}

export interface CarDescription {
  /** `os/architecture`. */
  readonly platform: string;
  /** The time of the image: when the release's lock was resolved. */
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The folder of the model's files in the image, as in the modelcars of KServe. */
const FOLDER = 'models';
/** Overlay file systems support little more than a hundred layers. */
const MAX_LAYERS = 64;
const SMALL_LAYER_BYTES: number = 64 * MIB;

const IMAGE = 'application/vnd.oci.image';
const MANIFEST_TYPE = `${IMAGE}.manifest.v1+json`;

const style: UstarStyle = { paxName: 'pax', paxMode: 0o444, devices: false };
/** The two blocks at the end of a layer. */
export const carEnd: Buffer = Buffer.alloc(2 * BLOCK_BYTES);

/** The tar header of a file, or of a folder if there is no size: readable by all. */
export function carHeader({ path, size }: { path: string; size?: number }): Buffer {
  return size === undefined
    ? encodeHeader({ path: `${path}/`, size: 0, mode: 0o755, kind: '5' }, style)
    : encodeHeader({ path, size, mode: 0o444, kind: '0' }, style);
}

/**
 * The layers of an image with these files below `/models`, in this order: files go into one layer until it is large
 * enough, so that a large file has one of its own and the small ones share. The same files give the same layers.
 */
export function carLayers(files: readonly CarFile[]): CarLayer[] {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const enough = Math.max(SMALL_LAYER_BYTES, Math.ceil(total / MAX_LAYERS));
  const layers: CarLayer[] = [];
  let pending: CarFile[] = [];
  let bytes = 0;
  const close = (): void => {
    if (pending.length > 0) layers.push(layerOf(pending));
    pending = [];
    bytes = 0;
  };
  for (const file of files) {
    pending.push(file);
    bytes += file.size;
    if (bytes >= enough) close();
  }
  close();
  return layers;
}

function layerOf(files: readonly CarFile[]): CarLayer {
  const folders = new Set([FOLDER, ...files.flatMap(({ path }) => foldersOf(`${FOLDER}/${path}`))]);
  const segments: Segment[] = [];
  let made = [...folders].toSorted().map((path) => carHeader({ path }));
  for (const { path, size, digest } of files) {
    made.push(carHeader({ path: `${FOLDER}/${path}`, size }));
    if (size === 0) continue;
    segments.push({ bytes: Buffer.concat(made) }, { digest, size });
    made = [padding(size)];
  }
  segments.push({ bytes: Buffer.concat([...made, carEnd]) });
  const sizes = segments.map((each) => ('bytes' in each ? each.bytes.length : each.size));
  return { segments, size: sizes.reduce((sum, size) => sum + size, 0) };
}

function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** A modelcar's name and layers. */
export interface CarImage {
  readonly repository: string;
  readonly tag: string;
  readonly layers: readonly CarLayer[];
  /** Of each layer, in the same order. */
  readonly digests: readonly Digest[];
}

/** The repository of a modelcar whose layers have these digests: an image of files, without a program. */
export function carRepository(
  { repository, tag, layers, digests }: CarImage,
  { platform, created, labels }: CarDescription,
): CatalogEntry {
  const [os = '', architecture = ''] = platform.split('/');
  const config = canonicalBytes({
    os,
    architecture,
    created,
    config: { Labels: { ...labels }, WorkingDir: `/${FOLDER}` },
    rootfs: { type: 'layers', diff_ids: [...digests] },
    history: layers.map(() => ({ created, created_by: 'stowage depot' })),
  });
  const described = layers.map(({ size }, index) => ({
    mediaType: `${IMAGE}.layer.v1.tar`,
    digest: digests[index] ?? '',
    size,
  }));
  const manifest = canonicalBytes({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: {
      mediaType: `${IMAGE}.config.v1+json`,
      digest: digestOf(config),
      size: config.length,
    },
    layers: described as Json,
  });
  const id = digestOf(manifest);
  return {
    repository,
    tags: { [tag]: id },
    manifests: new Map([[id, MANIFEST_TYPE]]),
    blobs: new Map([
      [digestOf(config), config.length],
      ...layers.map(({ size }, index) => [digests[index] ?? id, size] as const),
    ]),
    made: new Map<Digest, readonly Segment[]>([
      [id, [{ bytes: manifest }]],
      [digestOf(config), [{ bytes: config }]],
      ...layers.map(({ segments }, index) => [digests[index] ?? id, segments] as const),
    ]),
  };
}
