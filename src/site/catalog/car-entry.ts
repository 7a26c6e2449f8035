import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { type Digest, digestFromHex, digestHex, isDigest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MIB } from '../../core/limits.ts';
import type { CatalogEntry } from '../../depot/catalog.ts';
import { type CarLayer, carLayers, carRepository } from '../../depot/model-car.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { BundleModel } from '../../format/bundled-content.ts';
import { makeFolder, readBounded, writeAtomic } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';

/** Must change if the layers of the same files change. */
const LAYOUT = 1;
const MAX_SIDECAR_BYTES: number = MIB;
const READ_BYTES: number = MIB;

/** Calculations in progress, which concurrent requests share. */
const inProgress = new Map<string, Promise<readonly Digest[]>>();

/**
 * The repository of a model as an image, `<release>/<model>-car`. Its layers are not stored: they consist of tar headers and
 * the blobs of the model. Their digests are calculated at the first request and kept in `store/cars`.
 */
export function carEntry(site: SiteFolder, bundle: Bundle, model: BundleModel): CatalogEntry {
  const repository = `${bundle.name}/${model.name}-car`;
  const make = async (): Promise<CatalogEntry> => {
    const layers = carLayers(model.files);
    const digests = await layerDigests(site, model.manifest, layers);
    const image = { repository, tag: bundle.version, layers, digests };
    return carRepository(image, {
      platform: bundle.platforms[0] ?? 'linux/amd64',
      created: bundle.resolvedAt,
      labels: {
        'org.opencontainers.image.source': model.source,
        'org.opencontainers.image.revision': model.commit,
        ...(model.license === undefined
          ? {}
          : { 'org.opencontainers.image.licenses': model.license }),
      },
    });
  };
  return { repository, tags: {}, manifests: new Map(), blobs: new Map(), make };
}

async function layerDigests(
  site: SiteFolder,
  manifest: Digest,
  layers: readonly CarLayer[],
): Promise<readonly Digest[]> {
  const path = site.path('store', 'cars', `${digestHex(manifest)}.${LAYOUT}.json`);
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
