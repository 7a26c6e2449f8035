import { createHash } from 'node:crypto';
import { closeSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { beginLayout, writeImage, writeTags } from './image-layout.ts';
import { seededBytes } from './random.ts';

const BLOCK = 4 * 1024 * 1024;

/**
 * Writes an OCI layout of one linux/amd64 image whose layers are `bytes` each of what looks random: to be moved about,
 * not to be run.
 */
export function layeredImage(
  layout: string,
  count: number,
  bytes: number,
): { readonly tag: string; readonly layers: readonly string[] } {
  beginLayout(layout);
  const layers = Array.from({ length: count }, (_, index) => {
    const digest = writeRandom(layout, bytes, index + 1);
    const mediaType = 'application/vnd.oci.image.layer.v1.tar';
    return { descriptor: { mediaType, digest, size: bytes }, diffId: digest };
  });
  const platform = { os: 'linux', architecture: 'amd64' };
  writeTags(layout, { layered: writeImage(layout, { platform, layers, config: {} }) });
  return { tag: 'layered', layers: layers.map(({ descriptor }) => descriptor.digest) };
}

function writeRandom(layout: string, bytes: number, seed: number): string {
  const temporary = join(layout, 'blobs', `.layer-${seed}`);
  const block = seededBytes(seed, BLOCK);
  const hash = createHash('sha256');
  const file = openSync(temporary, 'w');
  for (let written = 0, index = 0; written < bytes; index++) {
    block.writeUInt32LE(index, 0);
    const piece = block.subarray(0, Math.min(BLOCK, bytes - written));
    hash.update(piece);
    written += writeSync(file, piece);
  }
  closeSync(file);
  const hex = hash.digest('hex');
  renameSync(temporary, join(layout, 'blobs', 'sha256', hex));
  return `sha256:${hex}`;
}
