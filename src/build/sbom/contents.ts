import { type Json, parseJson } from '../../core/canonical-json.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Context } from '../../core/event.ts';
import { MIB } from '../../core/limits.ts';
import type { Lock, LockedImage, LockedModel } from '../../format/lock.ts';
import type { BlobStore } from '../../io/blob-store.ts';
import { type ImagePackages, imagePackages } from './image-packages.ts';
import { word } from './package.ts';

/** What a model's `config.json` tells of its making. */
export interface ModelFacts {
  readonly family?: string;
  readonly architecture?: string;
}

/** What the blobs themselves tell, which the lock does not. */
export interface Contents {
  /** By the digest of a platform's manifest. */
  readonly packages: ReadonlyMap<Digest, ImagePackages>;
  /** By the name of a model. */
  readonly models: ReadonlyMap<string, ModelFacts>;
}

/** Nothing: for a list that is made from a lock alone. */
export const noContents: Contents = { packages: new Map(), models: new Map() };

const MAX_CONFIG_BYTES: number = MIB;

/** Reads what the blobs of a lock tell, which are all in the store. @throws StowageError `io-failed`, `interrupted` */
export async function readContents(
  lock: Lock,
  store: BlobStore,
  { emit, signal }: Context,
): Promise<Contents> {
  const packages = new Map<Digest, ImagePackages>();
  for (const image of lock.images) {
    emit({ type: 'step', step: 'read packages', subject: image.name });
    for (const [manifest, found] of await imagePackages(image, store, signal))
      packages.set(manifest, found);
  }
  const models = new Map<string, ModelFacts>();
  for (const model of lock.models) models.set(model.name, await factsOf(model, store));
  return { packages, models };
}

/** How many packages an image has over all its platforms, and how much of it was not read. */
export function countPackages(
  { platforms }: LockedImage,
  { packages }: Contents,
): { found: number; unread: number } {
  const read = platforms.flatMap(({ manifest }) => packages.get(manifest) ?? []);
  const urls = new Set(read.flatMap((each) => each.packages.map(({ url }) => url)));
  return {
    found: urls.size,
    unread: read.reduce((sum, each) => sum + each.unread.length, 0),
  };
}

async function factsOf({ files }: LockedModel, store: BlobStore): Promise<ModelFacts> {
  const file = files.find(({ path }) => path === 'config.json');
  if (file === undefined || file.size > MAX_CONFIG_BYTES) return {};
  let config: Json;
  try {
    config = parseJson(await store.read(file.digest, MAX_CONFIG_BYTES));
  } catch (error) {
    if (error instanceof StowageError && error.code === 'document-invalid') return {};
    throw error;
  }
  const { model_type: type, architectures } = (config ?? {}) as Record<string, unknown>;
  const [first] = Array.isArray(architectures) ? (architectures as unknown[]) : [];
  const [family, architecture] = [type, first].map((each) =>
    typeof each === 'string' ? word(each) : undefined,
  );
  return {
    ...(family === undefined ? {} : { family }),
    ...(architecture === undefined ? {} : { architecture }),
  };
}
