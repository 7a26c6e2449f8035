import { parseJson } from '../../core/canonical-json.ts';
import { isDigest } from '../../core/digest.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../../core/limits.ts';
import type { DeployedRelease, RenderedImage } from '../../format/generation.ts';
import type { SiteFolder } from '../../site/site-folder.ts';

/** A layer of an image as it crossed the gap. */
export interface ImageLayer {
  readonly digest: string;
  /** In bytes, as it lies in the store. */
  readonly size: number;
  readonly compressed: boolean;
}

/** Each image of some releases, once. */
export function imagesOf(releases: readonly DeployedRelease[]): RenderedImage[] {
  const images = releases.flatMap((each) => each.services.map(({ image }) => image));
  return [...new Map(images.map((image) => [image.manifest, image])).values()];
}

/** The layers that a staged image's manifest lists. */
export async function imageLayers(
  site: SiteFolder,
  { manifest }: RenderedImage,
): Promise<ImageLayer[]> {
  const bytes = await site.store.read(manifest, MAX_OCI_MANIFEST_BYTES);
  const { layers = [] } = parseJson(bytes) as {
    layers?: readonly { digest?: unknown; size?: unknown; mediaType?: unknown }[];
  };
  return layers.flatMap(({ digest, size, mediaType }) =>
    typeof digest === 'string' && isDigest(digest) && typeof size === 'number'
      ? [{ digest, size, compressed: /[+.](?:gzip|zstd)$/.test(String(mediaType)) }]
      : [],
  );
}
