import type { Digest } from '../core/digest.ts';
import type { Bundle } from '../format/bundle.ts';

/** A manifest that names another as its subject, as the referrers API describes it. */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Bytes that are made, or bytes that lie in a blob of the store. */
export type Segment =
  | { readonly bytes: Buffer }
  | { readonly digest: Digest; readonly size: number };

/** One repository: all that it serves, and nothing that it does not. */
export interface CatalogEntry {
  /** Such as `chat-1/server`; a name that the distribution specification allows. */
  readonly repository: string;
  readonly tags: Readonly<Record<string, Digest>>;
  /** The manifests and indexes that may be asked for, each with its stored media type. */
  readonly manifests: ReadonlyMap<Digest, string>;
  /** The blobs that may be asked for, each with its size in bytes. */
  readonly blobs: ReadonlyMap<Digest, number>;
  /** What refers to a manifest, by that manifest. */
  readonly referrers?: ReadonlyMap<Digest, readonly Referrer[]>;
  /** Where it was copied from: a registry, and the repository there. */
  readonly upstream?: { readonly registry: string; readonly path: string };
  /** Manifests and blobs that are no blob of the store but made of such. */
  readonly made?: ReadonlyMap<Digest, readonly Segment[]>;
  /** For an entry that costs something to make: makes it. The tags, manifests and blobs above are then empty. */
  readonly make?: () => Promise<CatalogEntry>;
}

/** A staged release. */
export interface CatalogRelease {
  /** SHA-512 of its `SHA512SUMS`. */
  readonly id: string;
  readonly bundle: Bundle;
}

/** A file of a model, as the Hub had it. */
export interface CatalogFile {
  readonly path: string;
  readonly size: number;
  readonly digest: Digest;
  /** Git blob SHA-1 in hex of a file that the Hub kept outside LFS; absent for LFS, and in older bundles. */
  readonly gitOid?: string;
}

/** One model of one release: a repository of the Hub at one commit, or the part of it that was packed. */
export interface CatalogModel {
  /** `organisation/name`. */
  readonly repository: string;
  /** 40 hex digits. */
  readonly commit: string;
  /** The branch, tag or commit that its manifest named. */
  readonly revision: string;
  readonly license?: string;
  readonly tags?: readonly string[];
  readonly files: readonly CatalogFile[];
  readonly release: {
    readonly name: string;
    readonly version: string;
    readonly seq: number;
    /** When its lock was resolved, `YYYY-MM-DDTHH:MM:SSZ`. */
    readonly resolvedAt: string;
  };
}

/** What the depot serves, whatever the store looks like on disk. */
export interface Catalog {
  repositories(): readonly CatalogEntry[];
  /** Models by the repository of the Hub that they come from; the same list until they change. */
  models(): readonly CatalogModel[];
  /** The releases that the repositories are of. */
  releases(): readonly CatalogRelease[];
  /** The absolute path of a blob or manifest whose bytes were verified when it was stored. */
  blobPath(digest: Digest): string;
  /** Takes notice of releases that came or went since; asked before each request. */
  refresh?(): Promise<void>;
}
