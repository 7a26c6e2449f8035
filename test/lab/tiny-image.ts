import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  beginLayout,
  type Descriptor,
  type Platform,
  writeImage,
  writeIndex,
  writeLayer,
  writeTags,
} from './image-layout.ts';

/** An OCI layout with one image under two tags. */
export interface LayoutImage {
  readonly layout: string;
  /** Names an index over two platforms. */
  readonly tag: string;
  /** The index's digest. */
  readonly digest: string;
  /** Names the linux/amd64 image alone. */
  readonly imageTag: string;
  /** That image's manifest digest. */
  readonly imageDigest: string;
}

/**
 * Writes a layout whose image, a few hundred bytes for each of two platforms, holds one file and runs
 * nothing: for tests that only move images about. Another `content` gives other digests.
 */
export async function tinyImage(
  layout: string,
  options: { readonly tag?: string; readonly content?: string } = {},
): Promise<LayoutImage> {
  beginLayout(layout);
  const content = options.content ?? 'hello';
  const amd64 = await oneFileImage(layout, { os: 'linux', architecture: 'amd64' }, content);
  const arm64 = await oneFileImage(layout, { os: 'linux', architecture: 'arm64' }, content);
  return tagBoth(layout, options.tag ?? '1.0', amd64, [amd64, arm64]);
}

/** An image of one file, `/hello`, which says for which platform it was meant. */
export async function oneFileImage(
  layout: string,
  platform: Platform,
  content: string,
): Promise<Descriptor> {
  const root = mkdtempSync(join(tmpdir(), 'stowage-lab-image-'));
  try {
    writeFileSync(join(root, 'hello'), `${content} from ${platform.architecture}\n`);
    mkdirSync(join(root, 'tmp'));
    const layers = [await writeLayer(layout, root)];
    return writeImage(layout, { platform, layers, config: { Entrypoint: ['/hello'] } });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Tags an index over the images, and the one image alone. */
export function tagBoth(
  layout: string,
  tag: string,
  image: Descriptor,
  images: readonly Descriptor[],
): LayoutImage {
  const index = writeIndex(layout, images);
  const imageTag = `${tag}-amd64`;
  writeTags(layout, { [tag]: index, [imageTag]: image });
  return { layout, tag, digest: index.digest, imageTag, imageDigest: image.digest };
}
