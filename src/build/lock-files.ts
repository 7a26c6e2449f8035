import { Tally } from '../core/context.ts';
import { type Digest, digestHex } from '../core/digest.ts';
import { parseSafePath } from '../core/safe-path.ts';
import type { LockedModelFile } from '../format/locked-content.ts';
import { makeFolder, requireSpace } from '../io/folder.ts';
import { forEachBounded } from '../io/queue.ts';
import type { Expected } from '../io/running-hashes.ts';
import type { FileOwner, FoundFile, ModelLayer, ModelSourceKind } from '../source/origin.ts';
import { fetchBlob } from './fetch.ts';
import type { OpenLayers } from './layer-files.ts';
import { expectedByGitOid, factOf } from './origins.ts';
import type { Transfer } from './transfer.ts';

const FILES_AT_ONCE = 4;

/** Which files of a model are locked. */
export interface Choice {
  readonly kind: ModelSourceKind;
  readonly owner: FileOwner;
  readonly chosen: readonly FoundFile[];
  readonly open: OpenLayers;
}

/**
 * The SHA-256 of each file: as its source states it, as the store recorded it of a local file or object that nothing wrote to since, or
 * of the bytes, which are read into the store. Room for all of them is checked before the first byte.
 * @throws StowageError `source-*`, `space-insufficient`
 */
export async function lockFiles(
  { kind, owner, chosen, open }: Choice,
  transfer: Transfer,
): Promise<LockedModelFile[]> {
  const { store, emit } = transfer;
  const known = new Map<FoundFile, Digest>();
  for (const file of chosen) {
    const digest = file.digest ?? (await readBefore(file, transfer));
    if (digest !== undefined) known.set(file, digest);
  }
  const unread = chosen.filter((file) => !known.has(file));
  await requireRoomFor(unread, transfer);
  const total = unread.reduce((sum, { size }) => sum + size, 0);
  // Progress is of files that are read here: a Hub states the SHA-256 of all but the smallest.
  const local = unread.some(({ state }) => state !== undefined);
  const tally = local ? new Tally(emit, 'read', total) : undefined;
  await forEachBounded(unread, FILES_AT_ONCE, async (file) => {
    const wrapped = open.at(file);
    const digest =
      wrapped === undefined
        ? await fetchBlob(transfer, expectedOf(file), await kind.file(owner, file), tally?.add)
        : await wrapped.open.keep(wrapped.entry);
    known.set(file, digest);
    if (file.state?.settled === true)
      await store.noteFact({ digest, size: file.size }, factOf(file.state), {});
  });
  const locked = chosen.map((file): LockedModelFile => {
    const { path, size, gitOid, hubScan, from, version } = file;
    const digest = known.get(file);
    if (digest === undefined) throw new Error(`${path} has no digest`);
    return {
      ...{ path: parseSafePath(path), size, digest },
      ...(gitOid === undefined ? {} : { gitOid }),
      ...(hubScan === undefined ? {} : { hubScan }),
      ...(from === undefined ? {} : { from }),
      ...(version === undefined ? {} : { version }),
    };
  });
  return locked.toSorted(byPath);
}

/** A local file that was read before, as it is now, and is still in the store. */
async function readBefore(
  { size, state }: FoundFile,
  { store }: Transfer,
): Promise<Digest | undefined> {
  const kept = state === undefined ? undefined : await store.blobWith(factOf(state));
  return kept?.size === size ? kept.digest : undefined;
}

/** Before the first byte is downloaded: an archive takes its size, and the files in it at least the same. */
export async function requireRoomForLayers(
  layers: readonly ModelLayer[],
  { store }: Transfer,
): Promise<void> {
  let needed = 0;
  for (const { digest, size } of layers)
    needed += (await store.size(digest)) === size ? size : 2 * size;
  if (needed === 0) return;
  await makeFolder(store.root);
  await requireSpace(store.root, needed);
}

/** Before the first byte is read. What an interrupted run left of these files is reused. */
async function requireRoomFor(files: readonly FoundFile[], { store }: Transfer): Promise<void> {
  let needed = 0;
  for (const file of files) {
    const there = await store.incomingBytes(expectedOf(file).key);
    needed += Math.max(0, file.size - there);
  }
  if (needed === 0) return;
  await makeFolder(store.root);
  await requireSpace(store.root, needed);
}

/** How the bytes of a file are identified and verified while they are received. */
export function expectedOf({ path, size, digest, gitOid, state }: FoundFile): Expected {
  if (digest !== undefined) return { key: digestHex(digest), size, digest, label: path };
  if (gitOid !== undefined) return { ...expectedByGitOid(gitOid, size), label: path };
  return { key: `source-${state?.key ?? ''}`, size, label: path };
}

/** Bytewise, as files are listed in a lock. */
export function byPath(a: LockedModelFile, b: LockedModelFile): number {
  return Buffer.compare(Buffer.from(a.path), Buffer.from(b.path));
}
