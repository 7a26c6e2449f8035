import { join } from 'node:path';
import type {
  BlobFacts,
  FoundPackage,
  ImagePackages,
  ModelFacts,
} from '../../content/bill-entry.ts';
import { packageUrl, word } from '../../content/package.ts';
import type { Context } from '../../core/context.ts';
import { type Digest, digestHex, isDigest } from '../../core/digest.ts';
import { interrupted, StowageError } from '../../core/error.ts';
import { canonicalBytes, type Json, parseJson } from '../../core/json.ts';
import { MAX_OCI_MANIFEST_BYTES, MIB } from '../../core/limits.ts';
import type { Lock } from '../../format/lock.ts';
import type { LockedImage, LockedModel } from '../../format/locked-content.ts';
import { readEntries } from '../../io/archive.ts';
import type { BlobStore } from '../../io/blob-store.ts';
import { readIfThere, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { ImageFiles } from './image-files.ts';
import { layerBytes } from './layer-bytes.ts';
import { readerOf } from './package-file.ts';

/** Incremented with every change of the results, so that older notes in a store are ignored. */
const READER_VERSION = 3;
const MAX_LAYERS = 1000;
const MAX_PACKAGES = 200_000;
const MAX_LOCATIONS = 16;
const MAX_UNREAD = 100;
const MAX_NOTE_BYTES: number = 256 * MIB;

/**
 * The packages of each platform of an image, read from the layers in the store. A layer that cannot be read is not an
 * error, because publishers decide what images contain: it is listed in `unread`, which marks the list as incomplete.
 * @returns by the digest of the platform's manifest; equal layers give equal lists
 * @throws StowageError `io-failed`, `interrupted`
 */
export async function imagePackages(
  image: LockedImage,
  store: BlobStore,
  signal: AbortSignal,
): Promise<ReadonlyMap<Digest, ImagePackages>> {
  const found = new Map<Digest, ImagePackages>();
  for (const { manifest } of image.platforms) {
    if (found.has(manifest)) continue;
    const note = join(store.root, 'packages', `${digestHex(manifest)}.${READER_VERSION}.json`);
    const noted = await readNote(note);
    const packages = noted ?? (await readImage(manifest, store, signal));
    found.set(manifest, packages);
    if (noted !== undefined) continue;
    await makeFolder(join(store.root, 'packages'));
    await writeAtomic(note, canonicalBytes(packages as unknown as Json));
  }
  return found;
}

async function readNote(path: string): Promise<ImagePackages | undefined> {
  const bytes = await readIfThere(path, MAX_NOTE_BYTES);
  try {
    return bytes && (JSON.parse(bytes.toString('utf8')) as ImagePackages);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function readImage(
  manifest: Digest,
  store: BlobStore,
  signal: AbortSignal,
): Promise<ImagePackages> {
  const files = new ImageFiles();
  const unread: { what: string; why: string }[] = [];
  const layers = layersOf(await store.read(manifest, MAX_OCI_MANIFEST_BYTES));
  if (layers === undefined) unread.push({ what: `manifest ${manifest}`, why: 'not readable' });
  for (const digest of layers ?? []) {
    try {
      await readLayer(digest, store, files, signal);
    } catch (error) {
      if (signal.aborted) throw interrupted(signal);
      if (error instanceof StowageError && error.code !== 'archive-refused') throw error;
      unread.push({ what: `layer ${digest}`, why: reasonOf(error) });
    }
    files.endLayer();
  }
  return collect(files, unread);
}

/** The layers of a manifest, from the bottom up; undefined if it is not a manifest. */
function layersOf(manifest: Buffer): Digest[] | undefined {
  let layers: unknown;
  try {
    ({ layers } = JSON.parse(manifest.toString('utf8')) as { layers?: unknown });
  } catch {
    return undefined;
  }
  if (!Array.isArray(layers) || layers.length > MAX_LAYERS) return undefined;
  const digests = layers.map((each: { digest?: unknown } | null) => String(each?.digest));
  return digests.every(isDigest) ? digests : undefined;
}

async function readLayer(
  digest: Digest,
  store: BlobStore,
  files: ImageFiles,
  signal: AbortSignal,
): Promise<void> {
  const size = await store.size(digest);
  if (size === undefined) throw new Error('not in the store');
  await readEntries(layerBytes(store.path(digest), size, signal), (entry) => {
    const path = entry.path.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, '');
    if (entry.type !== 'file') {
      files.add(path, entry.type === 'folder', undefined);
      return undefined;
    }
    const reader = readerOf(path, entry.size, entry.mode);
    if (reader === undefined) {
      files.add(path, false, undefined);
      return undefined;
    }
    return {
      write: (chunk) => reader.write(chunk),
      end: () => files.add(path, false, reader.end()),
    };
  });
}

function collect(files: ImageFiles, unread: { what: string; why: string }[]): ImagePackages {
  const contents = files.files();
  const os = contents.findLast(([, content]) => content.os !== undefined)?.[1].os;
  const found = new Map<string, FoundPackage & { locations: string[] }>();
  for (const [path, content] of contents) {
    if (content.unread !== undefined) unread.push({ what: path, why: content.unread });
    for (const each of content.packages) {
      const url = packageUrl(each, os);
      const known = found.get(url);
      if (known === undefined && found.size < MAX_PACKAGES)
        found.set(url, { ...each, url, locations: [path] });
      else if (known !== undefined && known.locations.length < MAX_LOCATIONS)
        if (!known.locations.includes(path)) known.locations.push(path);
    }
  }
  return {
    ...(os === undefined ? {} : { os }),
    packages: [...found.values()].sort((a, b) => (a.url < b.url ? -1 : 1)),
    unread: unread.slice(0, MAX_UNREAD),
  };
}

// The text must depend only on the bytes, not on the version of a library, so that bundles are reproducible.
function reasonOf(error: unknown): string {
  if (error instanceof StowageError) return error.found ?? error.message;
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string') return `damaged (${code})`;
  return error instanceof Error ? error.message : 'damaged';
}

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
