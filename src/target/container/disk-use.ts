import { type Digest, isDigest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { parseJson } from '../../core/json.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../../core/limits.ts';
import type { DeployedRelease } from '../../format/plan.ts';
import { changesBetween } from '../change.ts';
import { type ConstraintContext, type DiskUse, filesIn, type StoredBlobs } from '../target.ts';
import type { EngineFacts } from './engine.ts';
import { imagesOf } from './workload.ts';

/** The estimated size of an unpacked layer relative to its compressed size; programs and libraries rarely exceed it. */
const GROWTH = 2.5;

/** A layer of an image in the store. */
export interface ImageLayer {
  readonly digest: string;
  readonly size: number;
  readonly compressed: boolean;
}

/** The space for unpacked layers and for downloads, if the engine reports where it keeps them. */
export async function containerDiskUse(
  engine: EngineFacts,
  { change, store }: ConstraintContext,
): Promise<DiskUse[]> {
  if (engine.images === undefined) return [];
  const { arriving } = changesBetween(change.from, change.to);
  const there = await layersThere(change.from.releases, store);
  const wanted = await layersOf(arriving, store);
  const fresh = [...wanted.values()].filter((each) => !there.has(each.digest));
  const sum = (value: (layer: ImageLayer) => number): number =>
    fresh.reduce((total, each) => total + value(each), 0);
  const unpacked = sum(unpackedBytes);
  const fetching = engine.fetching ?? engine.images;
  return [
    { path: engine.images, bytes: unpacked, files: sum((each) => filesIn(unpackedBytes(each))) },
    { path: fetching, bytes: sum((each) => each.size), files: fresh.length },
  ];
}

/** The layers that the engine already has; none if that cannot be determined. */
async function layersThere(
  releases: readonly DeployedRelease[],
  store: StoredBlobs,
): Promise<ReadonlyMap<string, ImageLayer>> {
  try {
    return await layersOf(releases, store);
  } catch (error) {
    if (error instanceof StowageError) return new Map();
    throw error;
  }
}

async function layersOf(
  releases: readonly DeployedRelease[],
  store: StoredBlobs,
): Promise<ReadonlyMap<string, ImageLayer>> {
  const layers = new Map<string, ImageLayer>();
  for (const image of imagesOf(releases)) {
    for (const layer of await imageLayers(store, image.manifest)) layers.set(layer.digest, layer);
  }
  return layers;
}

/** The estimated size of a layer when it is unpacked. */
export function unpackedBytes({ size, compressed }: ImageLayer): number {
  return compressed ? Math.ceil(size * GROWTH) : size;
}

/** The layers that a staged image's manifest lists. */
export async function imageLayers(store: StoredBlobs, manifest: Digest): Promise<ImageLayer[]> {
  const bytes = await store.read(manifest, MAX_OCI_MANIFEST_BYTES);
  const { layers = [] } = parseJson(bytes) as {
    layers?: readonly { digest?: unknown; size?: unknown; mediaType?: unknown }[];
  };
  return layers.flatMap(({ digest, size, mediaType }) =>
    typeof digest === 'string' && isDigest(digest) && typeof size === 'number'
      ? [{ digest, size, compressed: /[+.](?:gzip|zstd)$/.test(String(mediaType)) }]
      : [],
  );
}
