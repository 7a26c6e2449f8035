import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { OnBytes } from '../core/context.ts';
import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_UNKNOWN_BYTES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { ioError, remove, setMode } from './file.ts';
import type { BlobSums } from './hash-task.ts';
import { incomingPaths, isMismatch, removeIncoming } from './incoming.ts';
import { type Expected, RunningHashes } from './running-hashes.ts';
import { readSpans } from './span-journal.ts';
import { writeAll } from './write-all.ts';

/**
 * Writes sequential bytes to the partial file of a blob, hashing each buffer on this thread.
 * @param from opens the bytes from an offset; called once, with the number of bytes already received
 * @throws StowageError `source-mismatch` (nothing is kept), or what `from` throws (received bytes are kept)
 */
export async function receiveInOrder(
  folder: string,
  expected: Expected,
  from: (offset: number) => Promise<AsyncIterable<Uint8Array>>,
  { onBytes, partSize }: { readonly onBytes: OnBytes; readonly partSize: number | undefined },
): Promise<{ digest: Digest; sums: BlobSums }> {
  const { partial, journal } = incomingPaths(folder, expected.key);
  const hashes = new RunningHashes(expected, partSize);
  const handle = await openPartial(partial);
  try {
    await hashes.replay(partial, await resumableSize(handle, journal, expected));
    onBytes(hashes.bytes, true);
    if (hashes.bytes !== expected.size) {
      for await (const chunk of await from(hashes.bytes)) {
        await writeAll(handle, [chunk], hashes.bytes);
        hashes.update(chunk);
        onBytes(chunk.byteLength);
        if (hashes.bytes > (expected.size ?? MAX_UNKNOWN_BYTES)) break;
      }
    }
    if (hashes.bytes < (expected.size ?? 0)) throw short(expected, hashes.bytes);
    const digest = hashes.finish();
    await handle.sync();
    return { digest, sums: hashes.sums() };
  } catch (error) {
    if (isMismatch(error)) {
      await removeIncoming(folder, expected.key);
      onBytes(-hashes.bytes);
    }
    throw ioError(error, partial);
  } finally {
    await handle.close();
  }
}

async function openPartial(path: string): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    const handle = await open(path, flags, 0o644);
    await setMode(handle, 0o644);
    return handle;
  } catch (error) {
    throw ioError(error, path);
  }
}

// A partial file that is too long, or whose source may have changed, is started again.
async function resumableSize(
  handle: FileHandle,
  journal: string,
  expected: Expected,
): Promise<number> {
  const { size } = await handle.stat();
  let usable = expected.resume !== false && size <= (expected.size ?? 0) ? size : 0;
  const spans = await readSpans(journal, size);
  if (spans !== undefined) usable = Math.min(usable, spans.frontier);
  if (usable < size) await handle.truncate(usable);
  if (spans !== undefined) await remove(journal);
  return usable;
}

function short(expected: Expected, found: number): StowageError {
  return new StowageError(
    'source-unreachable',
    `the download of ${expected.label ?? expected.key} ended early`,
    {
      expected: counted(expected.size ?? 0, 'byte'),
      found: counted(found, 'byte'),
      hint: 'run the same command again: it resumes where it stopped',
    },
  );
}
