import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { sriHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { CRC_SPAN_BYTES } from '../core/limits.ts';
import type { Bundle, BundleBlob, Part } from '../format/bundle.ts';
import { ioError } from '../io/file.ts';
import { PassError } from '../io/hash-pass.ts';
import type { HashTask } from '../io/hash-task.ts';
import type { HashPool } from '../io/hashing.ts';

/** Where a part is copied while it is checked. */
export interface PartDestination {
  readonly path: string;
  /** Bytes. */
  readonly offset: number;
}

/**
 * Reads a part once, hashes it and, given a destination, writes it there.
 * @throws StowageError `part-damaged` naming the file inside and the byte range, `part-missing`, `file-kind`,
 * `space-insufficient`, `io-failed`
 */
export async function checkPart(
  bundle: Bundle,
  folder: string,
  part: Part,
  pool: HashPool,
  onBytes: (bytes: number) => void,
  destination?: PartDestination,
): Promise<void> {
  const path = join(folder, part.path);
  const task: HashTask = {
    path,
    size: part.size,
    offset: 0,
    pieces: [
      {
        length: part.size,
        ...(destination === undefined ? {} : { destination: { ...destination, create: false } }),
      },
    ],
    sha256: false,
    crc32: false,
  };
  let found: string | undefined;
  try {
    found = (await pool.run(task, onBytes)).pieces[0]?.sha512;
  } catch (error) {
    throw passFailure(error, bundle, part, path);
  }
  if (found === part.sha512) return;
  throw damaged(bundle, part, sriHex(part.sha512), await damagedSpots(path, part));
}

function passFailure(error: unknown, bundle: Bundle, part: Part, path: string): unknown {
  if (!(error instanceof PassError) || error.path !== path) {
    return error instanceof PassError ? ioError(error, error.path) : error;
  }
  if (error.code === 'ESIZE' || error.code === 'ESHORT')
    return damaged(bundle, part, `${part.size} bytes`, error.message);
  if (error.code === 'EKIND' || error.code === 'ELOOP') {
    return new StowageError('file-kind', `${part.path} is not a regular file`, {
      expected: 'a regular file',
      found: 'a link, folder, device or pipe',
      hint: 'copy the bundle again as plain files',
    });
  }
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
    return new StowageError('part-missing', `${part.path} is missing: ${contentOf(bundle, part)}`, {
      expected: part.path,
      found: 'nothing',
      hint: 'check that the medium is still mounted, or copy this file again from where the bundle is whole',
    });
  }
  if (error.code === 'EIO')
    return damaged(bundle, part, 'a readable medium', 'the medium could not be read (EIO)');
  return ioError(error, path);
}

function damaged(bundle: Bundle, part: Part, expected: string, found: string): StowageError {
  return new StowageError('part-damaged', `${part.path} is damaged: ${contentOf(bundle, part)}`, {
    expected,
    found,
    hint: 'copy this file again from where the bundle is whole; every other file is judged by itself',
  });
}

/** What a part carries, in the words of the manifest. */
export function contentOf(bundle: Bundle, part: Part): string {
  const installer = bundle.installers?.find((each) => each.path === part.path);
  if (installer !== undefined) return `the installer for ${installer.platform}`;
  const blob = bundle.blobs.find((each) => each.parts.includes(part));
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

/** The byte ranges of a part whose CRC-32 is not what was noted, in words. */
async function damagedSpots(path: string, part: Part): Promise<string> {
  const spots: string[] = [];
  try {
    const handle = await open(path);
    try {
      const buffer = Buffer.alloc(CRC_SPAN_BYTES);
      for (let offset = 0; offset < part.size; offset += CRC_SPAN_BYTES) {
        const { bytesRead } = await handle.read(
          buffer,
          0,
          Math.min(CRC_SPAN_BYTES, part.size - offset),
          offset,
        );
        const crc = crc32(buffer.subarray(0, bytesRead)).toString(16).padStart(8, '0');
        const at = (offset / CRC_SPAN_BYTES) * 8;
        if (crc !== part.crc32.slice(at, at + 8)) spots.push(`${offset}-${offset + bytesRead - 1}`);
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    return `other bytes, and the spot could not be read again: ${String(error)}`;
  }
  if (spots.length === 0) return 'other bytes, at no spot that the CRCs name';
  const more = spots.length > 8 ? ` and ${spots.length - 8} more places` : '';
  return `other bytes within ${spots.slice(0, 8).join(', ')} of the file${more}`;
}
