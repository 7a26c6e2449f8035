import type { FileHandle } from 'node:fs/promises';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { BlobStore } from '../../io/blob-store.ts';
import { HashPool } from '../../io/hashing.ts';
import { markIn, markOf, sameMark } from '../../io/noted-sums.ts';
import { Slots } from '../../io/queue.ts';
import { type ListedBlob, verifyBlob } from '../../io/verify-blob.ts';

/** Blobs that are hashed at the same time; further requests wait. */
const HASHED_AT_ONCE = 2;

/**
 * Which blobs of a store are as signed, for a server that reads them often. A blob is hashed again only when the inode or
 * the change time of its file is another than when it was last hashed.
 */
export class IntactBlobs {
  readonly #store: BlobStore;
  readonly #listed: ReadonlyMap<Digest, ListedBlob>;
  readonly #onDamaged: (error: StowageError) => void;
  /** The mark of each file that was found intact. */
  readonly #intact = new Map<Digest, string>();
  readonly #checks = new Map<string, Promise<void>>();
  readonly #slots = new Slots(HASHED_AT_ONCE);

  constructor(
    store: BlobStore,
    listed: ReadonlyMap<Digest, ListedBlob>,
    onDamaged: (error: StowageError) => void,
  ) {
    this.#store = store;
    this.#listed = listed;
    this.#onDamaged = onDamaged;
  }

  /** @throws StowageError `blob-damaged` */
  async require(digest: Digest, handle: FileHandle): Promise<void> {
    const mark = markIn(await handle.stat({ bigint: true }));
    const text = `${mark.inode} ${mark.changed}`;
    if (this.#intact.get(digest) === text) return;
    const key = `${digest} ${text}`;
    const check =
      this.#checks.get(key) ??
      this.#slots
        .hold(() => this.#verify(digest, handle))
        .then(() => void this.#intact.set(digest, text))
        .finally(() => this.#checks.delete(key));
    this.#checks.set(key, check);
    await check;
  }

  async #verify(digest: Digest, handle: FileHandle): Promise<void> {
    const before = await handle.stat({ bigint: true });
    const blob = this.#listed.get(digest) ?? { digest, size: Number(before.size) };
    const pool = new HashPool(new AbortController().signal, 1);
    try {
      const verdict = await verifyBlob(this.#store, blob, { pool });
      // The file that was hashed is the open one.
      const path = this.#store.path(digest);
      if (verdict === 'intact' && sameMark(markIn(before), await markOf(path))) return;
      throw this.#damaged(digest, verdict);
    } finally {
      await pool.close();
    }
  }

  #damaged(digest: Digest, found: string): StowageError {
    const error = new StowageError('blob-damaged', `the stored file ${digest} is not served`, {
      expected: digest,
      found: found === 'intact' ? 'a file that was replaced meanwhile' : `a ${found} file`,
      hint: 'run stowage store verify --repair MEDIUM with the media of its release, or import it again',
    });
    this.#onDamaged(error);
    return error;
  }
}
