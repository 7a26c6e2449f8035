import type { Digest } from '../core/digest.ts';
import type { ListedImage } from './listed-packages.ts';

export interface Layer {
  readonly digest: Digest;
  /** In bytes, as it travels. */
  readonly size: number;
  readonly mediaType: string;
}

/** An image for one platform, as its manifest says; the index names the manifest by its digest. */
export interface ImagePlatform {
  readonly image: string;
  readonly platform: string;
  readonly manifest: Digest;
  /** From the bottom up; absent where the manifest is on another disc, or is not the one that the index names. */
  readonly layers?: readonly Layer[];
}

/** What an inspection read besides `bundle.json`. */
export interface Seen {
  readonly platforms: readonly ImagePlatform[];
  /** The images of the bill of materials; absent where it cannot be read. */
  readonly bill?: readonly ListedImage[];
}
