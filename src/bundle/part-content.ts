import { fromBundle } from '../content/items.ts';
import { digestHex } from '../core/digest.ts';
import type { Bundle, BundleBlob } from '../format/bundle.ts';
import type { Part } from '../format/part.ts';

/** What a part contains, by its name in the manifest. */
export function contentOf(bundle: Bundle, part: Part): string {
  const installer = bundle.installers?.find((each) => each.path === part.path);
  if (installer !== undefined) return `the installer for ${installer.platform}`;
  if (part.path.startsWith('parity/')) return 'a recovery part';
  const hex = /[0-9a-f]{64}/.exec(part.path)?.[0];
  const blob = bundle.blobs.find((each) => digestHex(each.digest) === hex);
  const name = blob === undefined ? 'unknown content' : nameOf(bundle, blob);
  return part.size === blob?.size
    ? name
    : `${name}, bytes ${part.offset} to ${part.offset + part.size - 1}`;
}

function nameOf(bundle: Bundle, { digest }: BundleBlob): string {
  const [name] = fromBundle(bundle, (kind, item) => kind.blobName(item, digest) ?? []);
  if (name !== undefined) return name;
  // The index does not list layers; the image manifests that do are parts themselves.
  return bundle.images.length === 1
    ? `a layer or config of image ${bundle.images[0]?.name}`
    : 'a layer or config of an image';
}
