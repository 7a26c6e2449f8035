import { contentOf } from '../../bundle/part-check.ts';
import { type Context, type OnBytes, Tally } from '../../core/context.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { counted } from '../../core/text.ts';
import { HashPool } from '../../io/hashing.ts';
import { forEachBounded } from '../../io/queue.ts';
import { verifyBlob } from '../../io/verify-blob.ts';
import type { SiteFolder } from '../site-folder.ts';
import { knownDamage } from '../store-damage.ts';
import { listedBlob, type Release, uniqueBlobs } from './release.ts';

/** A blob of a release that is missing or damaged in the store. */
export interface BadBlob {
  readonly digest: Digest;
  readonly path: string;
  /** Such as `model.safetensors of model chat`. */
  readonly what: string;
  /** `name version` of a release that contains it. */
  readonly release: string;
  readonly verdict: 'damaged' | 'missing';
}

/** The remedy for damaged files of a release. */
export const REPAIR_HINT =
  'run stowage store verify --repair MEDIUM with the media of the release, or import it again; then run the same command again' as string;

export interface FindBadOptions {
  readonly pool: HashPool;
  readonly onBytes: OnBytes;
  /** Whether to hash blobs whose files have not changed since they were last hashed, too. */
  readonly rehash: boolean;
  /** Files that are hashed in any case, absolute paths. */
  readonly suspect?: ReadonlySet<string>;
}

/** The blobs of releases that are missing or damaged, each once. @throws StowageError `io-failed`, `interrupted` */
export async function findBadBlobs(
  site: SiteFolder,
  releases: readonly Release[],
  options: FindBadOptions,
): Promise<BadBlob[]> {
  const bad: BadBlob[] = [];
  await forEachBounded([...uniqueBlobs(releases)], options.pool.width, async ([blob, bundle]) => {
    const { digest } = blob;
    const rehash = options.rehash || options.suspect?.has(site.store.path(digest)) === true;
    const listed = listedBlob(bundle, blob);
    const verdict = await verifyBlob(site.store, listed, { ...options, rehash });
    if (verdict === 'intact') return;
    const [part] = blob.parts;
    bad.push({
      ...{ digest, verdict, path: site.store.path(digest) },
      what: part === undefined ? digest : contentOf(bundle, { ...part, size: blob.size }),
      release: `${bundle.name} ${bundle.version}`,
    });
  });
  return bad.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
}

/**
 * Hashes the blobs of releases before they are used: a disk can change them, and so can a program. What the last verification
 * found damaged is hashed again, although a disk leaves the times of its files as they are.
 * @param rehash whether to hash those whose files have not changed since they were last hashed, too
 * @throws StowageError `blob-damaged`, which names every bad file; `io-failed`, `interrupted`
 */
export async function requireIntact(
  site: SiteFolder,
  releases: readonly Release[],
  { signal, emit, rehash = false }: Context & { readonly rehash?: boolean },
): Promise<void> {
  const total = [...uniqueBlobs(releases).keys()].reduce((sum, { size }) => sum + size, 0);
  if (total === 0) return;
  const subject = releases.map(({ bundle }) => `${bundle.name} ${bundle.version}`).join(', ');
  emit({ type: 'step', step: 'verify stored files', subject });
  const pool = new HashPool(signal);
  try {
    const { add: onBytes } = new Tally(emit, 'verify stored files', total);
    const suspect = new Set((await knownDamage(site))?.files.map(({ path }) => path));
    requireNone(await findBadBlobs(site, releases, { pool, onBytes, rehash, suspect }));
  } finally {
    await pool.close();
  }
}

function requireNone(bad: readonly BadBlob[]): void {
  const [first] = bad;
  if (first === undefined) return;
  const { what, release, digest, path, verdict } = first;
  const others = bad.length === 1 ? '' : `, and ${counted(bad.length - 1, 'more file')}`;
  throw new StowageError(
    'blob-damaged',
    `a stored file of release ${release} is ${verdict}: ${what}${others}; nothing was changed`,
    {
      expected: digest,
      found: verdict === 'missing' ? `no file ${path}` : `other content in ${path}`,
      hint: REPAIR_HINT,
      defects: bad.slice(0, 50).map((each) => `${each.verdict}: ${each.what} (${each.path})`),
    },
  );
}
