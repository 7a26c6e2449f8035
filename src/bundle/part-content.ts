import { digestHex } from '../core/digest.ts';
import type { Bundle, BundleBlob } from '../format/bundle.ts';
import type { Part } from '../format/part.ts';

/** What a part carries, in the words of the manifest. */
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

function nameOf(bundle: Bundle, blob: BundleBlob): string {
  for (const model of bundle.models) {
    const file = model.files.find((each) => each.digest === blob.digest);
    if (file !== undefined) return `${file.path} of model ${model.name}`;
    if (model.manifest === blob.digest) return `the manifest of model ${model.name}`;
  }
  for (const file of bundle.files) if (file.digest === blob.digest) return `files ${file.name}`;
  for (const image of bundle.images)
    if (image.target.digest === blob.digest) return `the index of image ${image.name}`;
  return bundle.images.length === 1
    ? `a layer or config of image ${bundle.images[0]?.name}`
    : 'a layer or config of an image';
}
