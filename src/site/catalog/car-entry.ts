import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { type Digest, digestFromHex, digestHex, isDigest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MIB } from '../../core/limits.ts';
import type { CatalogEntry } from '../../depot/catalog.ts';
import { type CarLayer, carLayers, carRepository } from '../../depot/model-car.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { BundleFile, BundleModel } from '../../format/bundled-content.ts';
import { namesIn, readBounded, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import type { SiteFolder } from '../site-folder.ts';

/** Must change if the layers of the same files change. */
const LAYOUT = 1;
const MAX_SIDECAR_BYTES: number = MIB;
const READ_BYTES: number = MIB;

/** Calculations in progress, which concurrent requests share. */
const inProgress = new Map<string, Promise<readonly Digest[]>>();

/** A model or a file that becomes an image. */
export interface CarContent {
  readonly name: string;
  readonly manifest: Digest;
  readonly layers: readonly CarLayer[];
  readonly labels: Readonly<Record<string, string>>;
}

const IMAGE_LABEL = 'org.opencontainers.image';

/** A model's files, below `/models`. */
export function modelCar({
  name,
  manifest,
  files,
  source,
  commit,
  license,
}: BundleModel): CarContent {
  return {
    ...{ name, manifest, layers: carLayers(files) },
    labels: {
      [`${IMAGE_LABEL}.source`]: source,
      [`${IMAGE_LABEL}.revision`]: commit,
      ...(license === undefined ? {} : { [`${IMAGE_LABEL}.licenses`]: license }),
    },
  };
}

/** A file below `/models`; a folder is its own archive, as the only layer. */
export function fileCar({
  name,
  manifest,
  kind,
  path,
  digest,
  size,
  source,
}: BundleFile): CarContent {
  const layers =
    kind === 'tree'
      ? [{ segments: [{ digest, size }], size }]
      : carLayers([{ path, size, digest }]);
  return { name, manifest, layers, labels: { [`${IMAGE_LABEL}.source`]: source } };
}

/**
 * The repository of a model or file as an image, `<release>/<name>-car`. Its layers are not stored: they consist of tar
 * headers and blobs of the store. Their digests are calculated at the first request and kept in `store/cars`.
 */
export function carEntry(site: SiteFolder, bundle: Bundle, content: CarContent): CatalogEntry {
  const repository = `${bundle.name}/${content.name}-car`;
  const make = async (): Promise<CatalogEntry> => {
    const { manifest, layers, labels } = content;
    const digests = await layerDigests(site, manifest, layers);
    const image = { repository, tag: bundle.version, layers, digests };
    const platform = bundle.platforms[0] ?? 'linux/amd64';
    return carRepository(image, { platform, created: bundle.resolvedAt, labels });
  };
  return { repository, tags: {}, manifests: new Map(), blobs: new Map(), make };
}

/**
 * The manifest of each model and file of a release as an image, by its name. Hashes what was not hashed yet.
 * @throws StowageError `blob-damaged`
 */
export async function carDigests(
  site: SiteFolder,
  bundle: Bundle,
): Promise<ReadonlyMap<string, Digest>> {
  const digests = new Map<string, Digest>();
  for (const content of [...bundle.models.map(modelCar), ...bundle.files.map(fileCar)])
    digests.set(content.name, await carDigest(site, bundle, content));
  return digests;
}

/** The manifest of one model or file as an image. Hashes it if it was not hashed yet. @throws StowageError `blob-damaged` */
export async function carDigest(
  site: SiteFolder,
  bundle: Bundle,
  content: CarContent,
): Promise<Digest> {
  const made = await carEntry(site, bundle, content).make?.();
  const digest = made?.tags[bundle.version];
  if (digest === undefined) throw new Error(`${content.name} was not made into an image`);
  return digest;
}

/** The files in `store/cars` that belong to none of these releases, or that this version does not read. */
export async function uselessCarRecords(
  site: SiteFolder,
  releases: readonly { readonly bundle: Bundle }[],
): Promise<string[]> {
  const contents = releases.flatMap(({ bundle }) => [...bundle.models, ...bundle.files]);
  const used = new Set(contents.map(({ manifest }) => recordName(manifest)));
  const names = await namesIn(site.path('store', 'cars'));
  return names.filter((name) => !used.has(name)).map((name) => site.path('store', 'cars', name));
}

function recordName(manifest: Digest): string {
  return `${digestHex(manifest)}.${LAYOUT}.json`;
}

async function layerDigests(
  site: SiteFolder,
  manifest: Digest,
  layers: readonly CarLayer[],
): Promise<readonly Digest[]> {
  const path = site.path('store', 'cars', recordName(manifest));
  const kept = await readKept(path, layers.length);
  if (kept !== undefined) return kept;
  const found = inProgress.get(path);
  if (found !== undefined) return found;
  const calculated = calculate(site, layers, path).finally(() => inProgress.delete(path));
  inProgress.set(path, calculated);
  return calculated;
}

async function calculate(
  site: SiteFolder,
  layers: readonly CarLayer[],
  path: string,
): Promise<readonly Digest[]> {
  const digests: Digest[] = [];
  for (const layer of layers) digests.push(await digestOfLayer(site, layer));
  try {
    await makeFolder(site.path('store', 'cars'));
    await writeAtomic(path, Buffer.from(JSON.stringify(digests)));
  } catch (error) {
    // A depot that can only read continues without it, and calculates the digests again after its next start.
    if (!(error instanceof StowageError)) throw error;
  }
  return digests;
}

async function digestOfLayer(site: SiteFolder, { segments }: CarLayer): Promise<Digest> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  for (const segment of segments) {
    if ('bytes' in segment) {
      hash.update(segment.bytes);
      continue;
    }
    const blob = createHash('sha256');
    const handle = await open(site.store.path(segment.digest), 'r');
    try {
      for (let position = 0; position < segment.size; ) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
        if (bytesRead === 0) throw new Error('a stored blob was truncated');
        hash.update(buffer.subarray(0, bytesRead));
        blob.update(buffer.subarray(0, bytesRead));
        position += bytesRead;
      }
    } finally {
      await handle.close();
    }
    // A digest over damaged bytes would make them look right for good.
    const found = digestFromHex(blob.digest('hex'));
    if (found !== segment.digest) throw damaged(segment.digest, found);
  }
  return digestFromHex(hash.digest('hex'));
}

function damaged(expected: Digest, found: Digest): StowageError {
  return new StowageError('blob-damaged', `the stored file ${expected} of a model is damaged`, {
    ...{ expected, found },
    hint: 'run stowage store verify --repair MEDIUM with the media of its release, or import it again',
  });
}

/** The stored digests; undefined if there are none, or they are unusable. */
async function readKept(path: string, count: number): Promise<readonly Digest[] | undefined> {
  try {
    const kept: unknown = JSON.parse((await readBounded(path, MAX_SIDECAR_BYTES)).toString('utf8'));
    const digests = Array.isArray(kept) ? kept.filter((each) => isDigest(String(each))) : [];
    return digests.length === count ? (digests as Digest[]) : undefined;
  } catch (error) {
    if (error instanceof StowageError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
