import { join } from 'node:path';
import type { ManifestClaim } from '../content/content-kind.ts';
import {
  manifestClaims,
  maxManifestBytes,
  readManifest,
  type StoredManifest,
} from '../content/manifest-claims.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { counted } from '../core/text.ts';
import type { Bundle } from '../format/bundle.ts';
import { readBounded } from '../io/file.ts';

/** Reads a manifest and verifies its digest; undefined if it is not there, or damaged. */
export type ReadBlob = (digest: Digest, maxBytes: number) => Promise<Buffer | undefined>;

/**
 * Compares each manifest of a bundle with `bundle.json`: a signature does not make two documents agree. A manifest
 * that cannot be read is left out.
 * @throws StowageError `index-mismatch` with every contradiction
 */
export async function checkManifests(
  bundle: Bundle,
  read: ReadBlob,
): Promise<ReadonlyMap<Digest, StoredManifest>> {
  const sizes = new Map(bundle.blobs.map(({ digest, size }) => [digest, size]));
  const manifests = new Map<Digest, StoredManifest>();
  const refused: StowageError[] = [];
  for (const claim of manifestClaims(bundle)) {
    try {
      const bytes = await readClaimed(claim, sizes, read);
      if (bytes !== undefined) manifests.set(claim.digest, readManifest(claim, bytes, sizes));
    } catch (error) {
      if (!(error instanceof StowageError) || error.code !== 'index-mismatch') throw error;
      refused.push(error);
    }
  }
  const [first, ...others] = refused;
  if (first === undefined) return manifests;
  if (others.length === 0) throw first;
  const { code, message, expected = '', found = '', hint } = first;
  const defects = refused.slice(0, 50).map((each) => `${each.message}: ${each.found ?? ''}`);
  throw new StowageError(code, message, { expected, found, hint, defects });
}

async function readClaimed(
  claim: ManifestClaim,
  sizes: ReadonlyMap<Digest, number>,
  read: ReadBlob,
): Promise<Buffer | undefined> {
  const maxBytes = maxManifestBytes(claim);
  const size = sizes.get(claim.digest) ?? 0;
  if (size <= maxBytes) return read(claim.digest, maxBytes);
  throw new StowageError('index-mismatch', `${claim.what} (${claim.digest}) is too large`, {
    expected: `at most ${maxBytes} bytes`,
    found: counted(size, 'byte'),
    hint: 'do not use this bundle; ask the release engineer for another copy',
  });
}

/** {@link checkManifests} for what one folder of a bundle holds. */
export async function checkManifestsIn(
  folder: string,
  files: ReadonlySet<string>,
  bundle: Bundle,
): Promise<void> {
  const parts = new Map(bundle.blobs.map((blob) => [blob.digest, blob.parts]));
  await checkManifests(bundle, async (digest, maxBytes) => {
    const [part, ...others] = parts.get(digest) ?? [];
    if (part === undefined || others.length > 0 || !files.has(part.path)) return undefined;
    try {
      const bytes = await readBounded(join(folder, part.path), maxBytes);
      return digestOf(bytes) === digest ? bytes : undefined;
    } catch (error) {
      // Missing and damaged parts are reported where parts are verified.
      if (error instanceof StowageError) return undefined;
      throw error;
    }
  });
}
