import type { BlobFacts, ImagePackages, ModelFacts } from '../../content/bill-entry.ts';
import { word } from '../../content/package.ts';
import type { Context } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { type Json, parseJson } from '../../core/json.ts';
import { MIB } from '../../core/limits.ts';
import type { Lock } from '../../format/lock.ts';
import type { LockedModel } from '../../format/locked-content.ts';
import type { BlobStore } from '../../io/blob-store.ts';
import { imagePackages } from './image-packages.ts';

const MAX_CONFIG_BYTES: number = MIB;

/** Reads facts from the blobs of a lock, all of which must be in the store. @throws StowageError `io-failed`, `interrupted` */
export async function readFacts(
  lock: Lock,
  store: BlobStore,
  { emit, signal }: Context,
): Promise<BlobFacts> {
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
