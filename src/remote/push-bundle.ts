import { type FileHandle, open } from 'node:fs/promises';
import { type Context, Tally } from '../core/context.ts';
import { type Digest, digestFromHex, digestOf, digestOfStream } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_OCI_MANIFEST_BYTES, MIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { ioError } from '../io/file.ts';
import { HashPool } from '../io/hashing.ts';
import { PassError } from '../io/positioned.ts';
import { forEachBounded } from '../io/queue.ts';
import type { PushedRepository } from '../push/push.ts';
import type { PushedBlob } from '../push/push-blob.ts';
import { EMPTY, MANIFEST_TYPE, writeArtifact } from './artifact.ts';

/** A file of a bundle, and the range of a local file that has its bytes. */
export interface LocalFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** The local file, where the range begins, and the size of the whole file. */
  readonly source: { readonly path: string; readonly offset: number; readonly size: number };
}

/**
 * A bundle as an artifact of one repository. Each file is hashed once: a registry names it by its SHA-256.
 * @throws StowageError `registry-refused` for more files than a manifest can list, `part-missing`, `io-failed`, `interrupted`
 */
export async function bundleArtifact(
  files: readonly LocalFile[],
  place: { readonly repository: string; readonly tag: string },
  { signal, emit }: Context,
): Promise<PushedRepository & { readonly manifest: Digest }> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const tally = new Tally(emit, 'hash', total);
  const digests = new Map<string, Digest>();
  const pool = new HashPool(signal);
  try {
    await forEachBounded(files, pool.width, async (file) => {
      digests.set(file.path, await digestOfFile(file, pool, tally.add));
    });
  } finally {
    await pool.close();
  }
  const listed = files.map(({ path, size }) => ({ path, size, digest: known(digests, path) }));
  const bytes = writeArtifact(listed);
  if (bytes.length > MAX_OCI_MANIFEST_BYTES) throw tooMany(files.length, bytes.length);
  const manifest = digestOf(bytes);
  const blobs = new Map<Digest, PushedBlob>([[digestOf(EMPTY), inMemory(EMPTY)]]);
  for (const file of files) {
    const digest = known(digests, file.path);
    blobs.set(digest, onDisk(file, digest));
  }
  return {
    ...{ manifest, repository: place.repository, tags: { [place.tag]: manifest } },
    manifests: [{ digest: manifest, mediaType: MANIFEST_TYPE, bytes }],
    blobs: [...blobs.values()],
  };
}

function known(digests: ReadonlyMap<string, Digest>, path: string): Digest {
  const digest = digests.get(path);
  if (digest === undefined) throw new Error(`${path} was not hashed`);
  return digest;
}

async function digestOfFile(
  { path, size, source }: LocalFile,
  pool: HashPool,
  onBytes: (bytes: number) => void,
): Promise<Digest> {
  const range = { path: source.path, size: source.size, offset: source.offset };
  const task = { ...range, pieces: [{ length: size }], hashes: ['sha256'] } as const;
  try {
    return digestFromHex((await pool.run(task, onBytes)).sha256 ?? '');
  } catch (error) {
    if (!(error instanceof PassError)) throw error;
    if (error.code === 'ENOENT' || error.code === 'ESIZE' || error.code === 'ESHORT')
      throw changed(path, error.message);
    throw ioError(error, error.path);
  }
}

function inMemory(bytes: Buffer): PushedBlob {
  return {
    ...{ digest: digestOf(bytes), size: bytes.length },
    open: (start, end) => chunks(bytes.subarray(start, end)),
    check: async () => {},
  };
}

async function* chunks(bytes: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

function onDisk(file: LocalFile, digest: Digest): PushedBlob {
  const { path, size } = file;
  return {
    ...{ digest, size },
    open: (start, end) => read(file, start, end),
    check: async () => {
      const found = await digestOfStream(read(file, 0, size));
      if (found !== digest) throw changed(path, found);
    },
  };
}

async function* read(
  { path, source }: LocalFile,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(source.path, 'r');
    for (let at = start; at < end; ) {
      const chunk = Buffer.allocUnsafe(Math.min(MIB, end - at));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, source.offset + at);
      if (bytesRead === 0) throw changed(path, counted(at, 'byte'));
      at += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } catch (error) {
    throw ioError(error, source.path);
  } finally {
    await handle?.close();
  }
}

function changed(path: string, found: string): StowageError {
  return new StowageError('part-missing', `${path} of the bundle changed, or is missing`, {
    expected: 'the file as it was when the command began',
    found,
    hint: 'make sure that nothing else writes there, verify the bundle, and run the same command again: it resumes',
  });
}

function tooMany(count: number, bytes: number): StowageError {
  return new StowageError('registry-refused', 'the bundle has too many files for a registry', {
    expected: `a manifest of at most ${MAX_OCI_MANIFEST_BYTES} bytes, which every registry accepts`,
    found: `${counted(bytes, 'byte')} for ${counted(count, 'file')}`,
    hint: 'serve the bundle from a depot instead: stowage import https://DEPOT/NAME@VERSION',
  });
}
