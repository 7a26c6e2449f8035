import { join } from 'node:path';
import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { type Digest, digestHex, digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Trust } from '../../format/trust.ts';
import { BlobStore } from '../../io/blob-store.ts';
import { readBounded } from '../../io/file.ts';
import { SiteFolder } from '../site-folder.ts';

/**
 * A site as it would be after the import of a bundle, for a plan: nothing is written. The small files that planning needs are
 * read from the media, and verified by their digests.
 */
export class PreviewSite extends SiteFolder {
  readonly #bundle: AdmittedBundle;
  /** In place of the key of a site that has none yet, as it would be random. */
  readonly #key: Buffer = Buffer.alloc(32);
  override readonly store: BlobStore;

  constructor(root: string, bundle: AdmittedBundle) {
    super(root);
    this.#bundle = bundle;
    this.store = new PreviewStore(
      join(root, 'store'),
      bundle.discs.map(({ folder }) => folder),
    );
  }

  /** The control files of the bundle are on its media. */
  override path(...parts: readonly string[]): string {
    const [first, second, ...rest] = parts;
    const { id, folder } = this.#bundle;
    const isBundle = first === 'releases' && second === id.slice(0, 32);
    return isBundle ? join(folder, ...rest) : super.path(...parts);
  }

  /** An import pins the newest trust document that the bundle brings before anything is planned. */
  override async trust(): Promise<Trust> {
    return this.#bundle.trust;
  }

  override async nameKey(): Promise<Buffer> {
    try {
      return await super.nameKey();
    } catch (error) {
      if (!isMissing(error)) throw error;
      return this.#key;
    }
  }
}

/** Blobs that the store of a site has, or that are one file on the media. */
class PreviewStore extends BlobStore {
  readonly #folders: readonly string[];

  constructor(root: string, folders: readonly string[]) {
    super(root);
    this.#folders = folders;
  }

  override async read(digest: Digest, maxBytes: number): Promise<Buffer> {
    try {
      return await super.read(digest, maxBytes);
    } catch (error) {
      if (!isMissing(error)) throw error;
      for (const folder of this.#folders) {
        const bytes = await this.#onMedium(folder, digest, maxBytes);
        if (bytes !== undefined) return bytes;
      }
      throw error;
    }
  }

  async #onMedium(folder: string, digest: Digest, maxBytes: number): Promise<Buffer | undefined> {
    const path = join(folder, 'blobs', 'sha256', digestHex(digest));
    try {
      const bytes = await readBounded(path, maxBytes);
      if (digestOf(bytes) === digest) return bytes;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    throw new StowageError('part-damaged', `a file on the media is damaged: ${path}`, {
      expected: digest,
      found: 'other bytes',
      hint: 'clean the medium or try another drive',
    });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof StowageError && error.code === 'file-missing';
}
