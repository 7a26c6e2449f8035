import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { OnBytes } from '../core/context.ts';
import { type Digest, digestHex } from '../core/digest.ts';
import { interrupted, messageOf, StowageError, systemCode } from '../core/error.ts';
import { withFile } from '../examine/bytes.ts';
import { exists, ioError, remove, writeAtomic } from '../io/file.ts';
import { makeFolder } from '../io/folder.ts';
import { listMembers, type TarMember } from '../io/tar-members.ts';
import type { Origin } from '../source/origin.ts';
import { stableOrigin } from '../source/stable-file.ts';
import { fetchBlob } from './fetch.ts';
import { isPacked, layerBytes } from './sbom/layer-bytes.ts';
import type { Transfer } from './transfer.ts';

/** A layer of an artifact or image that is an archive of files. */
export interface Layer {
  readonly digest: Digest;
  readonly size: number;
}

/** A layer whose archive can be read at any offset. */
export interface OpenLayer {
  readonly entries: readonly TarMember[];
  /** Stores the content of a file. @throws StowageError `source-mismatch` if it does not have the digest that is given */
  keep(entry: TarMember, digest?: Digest, onBytes?: OnBytes): Promise<Digest>;
}

/**
 * Downloads a layer into the store, verified by its digest, and opens its archive while `work` runs. A compressed one is
 * decompressed beside it. Nothing of either is left afterwards, unless the layer was in the store before.
 * @throws StowageError `source-malformed` for an archive that is damaged, truncated or compressed beyond the limit
 */
export async function withLayer<T>(
  layer: Layer,
  origin: Origin,
  { transfer, onBytes }: { readonly transfer: Transfer; readonly onBytes?: OnBytes },
  work: (open: OpenLayer) => Promise<T>,
): Promise<T> {
  const { store, signal } = transfer;
  const { digest, size } = layer;
  const label = `layer ${digest}`;
  const incoming = join(store.root, 'incoming');
  const path = store.path(digest);
  const plain = join(incoming, `${digestHex(digest)}.plain`);
  // Says that the layer is in the store for this purpose alone, also to the run that resumes this one.
  const mark = join(incoming, `${digestHex(digest)}.layer`);
  const before = (await store.size(digest)) === size;
  if (!before) {
    await makeFolder(incoming);
    await writeAtomic(mark, Buffer.alloc(0));
    await fetchBlob(transfer, { key: digestHex(digest), size, digest, label }, origin, onBytes);
  } else onBytes?.(size, true);
  try {
    const packed = await withFile(path, async (bytes) => isPacked(await bytes.read(0, 8)));
    if (packed) await decompress(path, size, plain, { signal, label });
    const archive = packed ? plain : path;
    const entries = await withFile(archive, (bytes) =>
      listMembers(bytes, (found) => damaged(label, found)),
    );
    const keep: OpenLayer['keep'] = (entry, expected, count) => {
      const whole = stableOrigin(archive, { window: { offset: entry.offset, size: entry.size } });
      const key =
        expected === undefined ? `layer-${digestHex(digest)}-${entry.offset}` : digestHex(expected);
      const known = expected === undefined ? {} : { digest: expected };
      const wanted = { key, size: entry.size, label: entry.path, ...known };
      return fetchBlob(transfer, wanted, whole, count);
    };
    const result = await work({ entries, keep });
    if (await exists(mark)) await store.forget(digest);
    await remove(mark);
    return result;
  } finally {
    await remove(plain);
  }
}

async function decompress(
  path: string,
  size: number,
  plain: string,
  { signal, label }: { readonly signal: AbortSignal; readonly label: string },
): Promise<void> {
  const whole = async function* (): AsyncGenerator<Buffer> {
    try {
      yield* layerBytes(path, size, signal);
    } catch (error) {
      if (signal.aborted) throw interrupted(signal);
      // Errors of the system are of the disk, and those of zlib (`Z_DATA_ERROR`) of the content.
      if (/^E[A-Z0-9]+$/.test(systemCode(error) ?? '')) throw ioError(error, path);
      throw damaged(label, messageOf(error), error);
    }
  };
  try {
    await pipeline(whole, createWriteStream(plain, { mode: 0o600 }));
  } catch (error) {
    throw ioError(error, plain);
  }
}

function damaged(label: string, found: string, cause?: unknown): StowageError {
  return new StowageError('source-malformed', `${label} is not an archive that can be read`, {
    expected: 'a complete tar, uncompressed or compressed with gzip or zstd',
    found,
    hint: 'ask the publisher of the model to push it again',
    cause,
  });
}
