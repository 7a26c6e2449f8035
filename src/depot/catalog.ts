import type { Digest } from '../core/digest.ts';

/** One repository: all that it serves, and nothing that it does not. */
export interface CatalogEntry {
  /** Such as `chat-1/server`; a name that the distribution specification allows. */
  readonly repository: string;
  readonly tags: Readonly<Record<string, Digest>>;
  /** The manifests and indexes that may be asked for, each with its stored media type. */
  readonly manifests: ReadonlyMap<Digest, string>;
  /** The blobs that may be asked for, each with its size in bytes. */
  readonly blobs: ReadonlyMap<Digest, number>;
}

/** What the depot serves, whatever the store looks like on disk. */
export interface Catalog {
  repositories(): readonly CatalogEntry[];
  /** The absolute path of a blob or manifest whose bytes were verified when it was stored. */
  blobPath(digest: Digest): string;
}
