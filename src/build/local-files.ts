import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Emit, Tally } from '../core/context.ts';
import { type Digest, digestFromHex, digestOfStream } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_ARCHIVE_BYTES } from '../core/limits.ts';
import { counted, exactBytes } from '../core/text.ts';
import { readEntries, treeBytes, writeTree } from '../io/archive.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { ioError, remove } from '../io/file.ts';
import { makeFolder, requireSpace } from '../io/folder.ts';
import { releasing } from '../net/buffer-pool.ts';
import { type LocalFile, type LocalTreeFile, localFile, localTree } from '../source/local.ts';
import { sourceKey } from './origins.ts';

export interface Kept {
  readonly kind: 'file' | 'tree';
  readonly digest: Digest;
  readonly size: number;
}

/** What can be known of a local source before any of it is read. */
type LocalSource = ({ readonly kind: 'file' } & LocalFile) | LocalTree;

interface LocalTree {
  readonly kind: 'tree';
  readonly files: readonly LocalTreeFile[];
  /** The size of its archive. */
  readonly size: number;
}

/**
 * Checks a local source by the names, kinds, modes and sizes of its files, and reads no content.
 * @throws StowageError `file-missing`, `file-kind`, `path-unsafe`, `content-refused` for a folder that is too large for an archive,
 * `io-failed` for files that this user cannot read
 */
export async function inspectLocal(path: string): Promise<LocalSource> {
  return (await isFolder(path)) ? inspectTree(path) : { kind: 'file', ...(await localFile(path)) };
}

async function inspectTree(path: string): Promise<LocalTree> {
  const files = await localTree(path);
  if (files.length === 0) throw empty(path);
  const size = treeBytes(files);
  if (size > MAX_ARCHIVE_BYTES) throw oversize(path, size);
  return { kind: 'tree', files, size };
}

/**
 * Keeps a local file, or a folder as one reproducible tar, in the store.
 * @throws StowageError as {@link inspectLocal}; `space-insufficient`
 */
export async function keepLocal(
  store: BlobStore,
  path: string,
  context: KeepContext,
): Promise<Kept> {
  const source = await inspectLocal(path);
  return source.kind === 'tree'
    ? keepTree(store, path, source)
    : keepFile(store, path, { ...context, ...source });
}

export interface KeepContext {
  readonly signal: AbortSignal;
  readonly emit: Emit;
}

async function keepFile(
  store: BlobStore,
  path: string,
  { size, origin, signal, emit }: LocalFile & KeepContext,
): Promise<Kept> {
  await requireSpace(await incomingFolder(store), size);
  const expected = { key: sourceKey(path), size, resume: false };
  const onBytes = new Tally(emit, 'read', size).add;
  const options = { signal, onBytes };
  const from = async (offset: number): Promise<AsyncIterable<Uint8Array>> =>
    releasing(await origin.open(offset, signal));
  const digest = await store.receive(expected, from, options);
  return { kind: 'file', digest, size };
}

/** Keeps a folder as one reproducible tar. @throws StowageError as {@link keepLocal} */
export async function keepTree(store: BlobStore, path: string, known?: LocalTree): Promise<Kept> {
  const tree = known ?? (await inspectTree(path));
  // The archive becomes a blob of the same size.
  return withTree(store, { path, tree, copies: 2 }, async (archive, size) => {
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
  { kind, digest, size }: Kept,
  signal: AbortSignal,
): Promise<LocalChange[]> {
  const source = await inspectLocal(path);
  const folder = source.kind === 'tree';
  if (source.kind !== kind) {
    const [expected, found] = folder ? ['a file', 'a folder'] : ['a folder', 'a file'];
    return [{ path: '', expected, found }];
  }
  if (!folder && source.size !== size)
    return [{ path: '', expected: exactBytes(size), found: exactBytes(source.size) }];
  const compare = async (file: string): Promise<LocalChange[]> => {
    const found = await fileDigest(file, signal);
    if (found === digest) return [];
    if (!folder) return [{ path: '', expected: digest, found }];
    return changesOfTrees(await entriesOf(store.path(digest)), await entriesOf(file));
  };
  return source.kind === 'tree'
    ? withTree(store, { path, tree: source, copies: 1 }, compare)
    : compare(path);
}

async function fileDigest(file: string, signal: AbortSignal): Promise<Digest> {
  const { origin } = await localFile(file);
  return digestOfStream(await origin.open(0, signal));
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

interface Archived {
  readonly path: string;
  readonly tree: LocalTree;
  /** How many times the bytes of the archive will exist at once. */
  readonly copies: 1 | 2;
}

async function withTree<T>(
  store: BlobStore,
  { path, tree, copies }: Archived,
  work: (archive: string, size: number) => Promise<T>,
): Promise<T> {
  const incoming = await incomingFolder(store);
  await requireSpace(incoming, copies * tree.size);
  // A unique name, because two runs may do this at the same time.
  const archive = join(incoming, `${sourceKey(path)}.${randomUUID()}.tar`);
  try {
    await writeTree(
      path,
      tree.files.map((file) => file.path),
      archive,
    );
    const { size } = await lstat(archive);
    // A file can grow while it is read.
    if (size > MAX_ARCHIVE_BYTES) throw oversize(path, size);
    return await work(archive, size);
  } finally {
    await remove(archive);
  }
}

async function incomingFolder(store: BlobStore): Promise<string> {
  const folder = join(store.root, 'incoming');
  await makeFolder(folder);
  return folder;
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
    found: counted(size, 'byte'),
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
