import type { Digest } from '../core/digest.ts';
import type { RenderedObjects } from '../format/rendered-objects.ts';
import type { ListedImage } from './listed-packages.ts';

export interface Layer {
  readonly digest: Digest;
  /** In bytes, as stored (compressed). */
  readonly size: number;
  readonly mediaType: string;
}

/** An image for one platform, as its manifest describes it. */
export interface ImagePlatform {
  readonly image: string;
  readonly platform: string;
  readonly manifest: Digest;
  /** From the bottom up; absent if the manifest is on another disc or does not match its digest. */
  readonly layers?: readonly Layer[];
}

/** What an inspection reads in addition to `bundle.json`. */
export interface Seen {
  readonly platforms: readonly ImagePlatform[];
  /** The images in the SBOM; absent if it cannot be read. */
  readonly bill?: readonly ListedImage[];
  /** Rendered objects by the digest of their document, of those that could be read. */
  readonly objects?: ReadonlyMap<Digest, RenderedObjects>;
}
