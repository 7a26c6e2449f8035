import type { Digest } from '../../core/digest.ts';
import type { BundleImage } from '../../format/bundled-content.ts';
import type { KubernetesSite } from '../../format/kubernetes-site.ts';

/** Where nodes find what a release carries. */
export interface ImagePlace {
  readonly release: string;
  readonly images: KubernetesSite['images'];
}

/** The reference of an image, by the digest of its manifest for one platform. */
export function imageReference(image: BundleImage, platform: string, place: ImagePlace): string {
  const found = image.platforms.find((each) => each.platform === platform) ?? image.platforms[0];
  if (found === undefined) throw new Error(`image ${image.name} has no platform`);
  if (place.images.from === 'mirror') return `${image.repository}@${found.manifest}`;
  return carried(image.name, found.manifest, place);
}

/** The reference of a model or of files as an image, which no registry but the depot or the site's own has. */
export function carReference(name: string, digest: Digest, place: ImagePlace): string {
  return carried(`${name}-car`, digest, place);
}

function carried(name: string, digest: Digest, { release, images }: ImagePlace): string {
  return `${images.registry}/${images.prefix}${release}/${name}@${digest}`;
}
