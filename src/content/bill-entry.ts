import type { Digest } from '../core/digest.ts';
import type { Json } from '../core/json.ts';
import type { OperatingSystem, Package } from './package.ts';

/** A package of an image with its purl, and the files that list it. */
export interface FoundPackage extends Package {
  readonly url: string;
  readonly locations: readonly string[];
}

/** The packages of an image for one platform. */
export interface ImagePackages {
  readonly os?: OperatingSystem;
  /** Sorted by URL, each once. */
  readonly packages: readonly FoundPackage[];
  /** What could not be read and why: the list may then be incomplete. */
  readonly unread: readonly { readonly what: string; readonly why: string }[];
}

/** The architecture that a model's `config.json` states. */
export interface ModelFacts {
  readonly family?: string;
  readonly architecture?: string;
}

/** Facts that only the blobs of a lock contain, not the lock itself. */
export interface BlobFacts {
  /** By the digest of a platform's manifest. */
  readonly packages: ReadonlyMap<Digest, ImagePackages>;
  /** By the name of a model. */
  readonly models: ReadonlyMap<string, ModelFacts>;
}

/** For a document that is generated from the lock alone. */
export const noFacts: BlobFacts = { packages: new Map(), models: new Map() };

/** A CycloneDX component, with the references of the packages in it. */
export interface BillEntry {
  readonly component: Json;
  readonly ref: string;
  readonly packages: readonly string[];
  /** Whether the list of packages is complete. */
  readonly complete: boolean;
}
