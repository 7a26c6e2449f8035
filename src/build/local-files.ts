import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestFromHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import type { Emit } from '../core/event.ts';
import { MAX_ARCHIVE_BYTES } from '../core/limits.ts';
import { Tally } from '../core/tally.ts';
import { readEntries, writeTree } from '../io/archive.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { ioError, remove } from '../io/file.ts';
import { makeFolder } from '../io/folder.ts';
import { localFile, localTree } from '../source/local.ts';
import { sourceKey } from './origins.ts';

export interface Kept {
  readonly kind: 'file' | 'tree';
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Keeps a local file, or a folder as one reproducible tar, in the store.
 * @throws StowageError `file-missing`, `file-kind`, `path-unsafe`
 */
export async function keepLocal(
  store: BlobStore,
  path: string,
  context: KeepContext,
): Promise<Kept> {
  return (await isFolder(path)) ? keepTree(store, path) : keepFile(store, path, context);
}

export interface KeepContext {
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

async function keepFile(
  store: BlobStore,
  path: string,
  { signal, emit }: KeepContext,
): Promise<Kept> {
  const { size, origin } = await localFile(path);
  const expected = { key: sourceKey(path), size, resume: false };
  const onBytes = new Tally(emit, 'read', size).add;
  const options = { signal, onBytes };
  const digest = await store.receive(expected, (offset) => origin.open(offset, signal), options);
  return { kind: 'file', digest, size };
}

/** Keeps a folder as one reproducible tar. @throws StowageError as {@link keepLocal} */
export async function keepTree(store: BlobStore, path: string): Promise<Kept> {
  return withTree(store, path, async (archive, size) => {
    const expected = { key: sourceKey(archive), size, resume: false };
    const digest = await store.receive(expected, async () => createReadStream(archive));
    return { kind: 'tree', digest, size };
  });
}

/** A local file that is no longer as it was locked. */
export interface LocalChange {
  /** Below the folder; empty for a source that is a file itself, or no longer of its kind. */
  readonly path: string;
  readonly expected: string;
  readonly found: string;
}

/**
 * Compares a local file or folder with what {@link keepLocal} recorded and stored for it; stores nothing.
 * @returns the files that differ; none if it is unchanged
 * @throws StowageError as {@link keepLocal}
 */
export async function localChanges(
  store: BlobStore,
  path: string,
  { kind, digest }: Pick<Kept, 'kind' | 'digest'>,
  signal: AbortSignal,
): Promise<LocalChange[]> {
  const folder = await isFolder(path);
  if (folder !== (kind === 'tree')) {
    const [expected, found] = folder ? ['a file', 'a folder'] : ['a folder', 'a file'];
    return [{ path: '', expected, found }];
  }
  const compare = async (file: string): Promise<LocalChange[]> => {
    const found = await fileDigest(file, signal);
    if (found === digest) return [];
    if (!folder) return [{ path: '', expected: digest, found }];
    return changesOfTrees(await entriesOf(store.path(digest)), await entriesOf(file));
  };
  return folder ? withTree(store, path, compare) : compare(path);
}

async function fileDigest(file: string, signal: AbortSignal): Promise<Digest> {
  const hash = createHash('sha256');
  const { origin } = await localFile(file);
  for await (const chunk of await origin.open(0, signal)) hash.update(chunk);
  return digestFromHex(hash.digest('hex'));
}

/** What each file of a tree is, by its path: its SHA-256 and mode. */
async function entriesOf(archive: string): Promise<Map<string, string>> {
  const entries = new Map<string, string>();
  await readEntries(createReadStream(archive), ({ path, mode }) => {
    const hash = createHash('sha256');
    return {
      write: (chunk) => void hash.update(chunk),
      end: () => {
        const digest = digestFromHex(hash.digest('hex'));
        entries.set(path, `${digest}, mode 0${(mode & 0o777).toString(8)}`);
      },
    };
  });
  return entries;
}

function changesOfTrees(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): LocalChange[] {
  return [...new Set([...before.keys(), ...after.keys()])].toSorted().flatMap((path) => {
    const [expected = 'no such file', found = 'nothing'] = [before.get(path), after.get(path)];
    return expected === found ? [] : [{ path, expected, found }];
  });
}

async function withTree<T>(
  store: BlobStore,
  path: string,
  work: (archive: string, size: number) => Promise<T>,
): Promise<T> {
  const files = await localTree(path);
  if (files.length === 0) throw empty(path);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > MAX_ARCHIVE_BYTES) throw oversize(path, bytes);
  const incoming = join(store.root, 'incoming');
  await makeFolder(incoming);
  // A unique name, because two runs may do this at the same time.
  const archive = join(incoming, `${sourceKey(path)}.${randomUUID()}.tar`);
  try {
    await writeTree(
      path,
      files.map((file) => file.path),
      archive,
    );
    const { size } = await lstat(archive);
    if (size > MAX_ARCHIVE_BYTES) throw oversize(path, size);
    return await work(archive, size);
  } finally {
    await remove(archive);
  }
}

function empty(path: string): StowageError {
  return new StowageError('file-missing', `the folder ${path} contains no files`, {
    expected: 'at least one file',
    found: 'none',
    hint: 'add the files, or remove the folder from the manifest',
  });
}

function oversize(path: string, size: number): StowageError {
  return new StowageError('content-refused', `the folder ${path} exceeds the limit of an archive`, {
    expected: `at most ${MAX_ARCHIVE_BYTES} bytes`,
    found: `${size} bytes`,
    hint: 'add its large files to the manifest separately: single files have no such limit',
  });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    throw ioError(error, path);
  }
}
