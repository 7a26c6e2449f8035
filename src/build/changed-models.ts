import { resolve as resolvePath } from 'node:path';
import { type Digest, digestOf, digestOfStream } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_LICENSE_BYTES } from '../core/limits.ts';
import { exactBytes, printable } from '../core/text.ts';
import type { Lock } from '../format/lock.ts';
import { type LockedModelFile, sourceRead } from '../format/locked-content.ts';
import type { ModelSource } from '../format/manifest.ts';
import { isPathSource } from '../format/source.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { readIfThere } from '../io/file.ts';
import { folderModels } from '../source/model-folder.ts';
import type { FoundFile } from '../source/origin.ts';
import { factOf } from './origins.ts';
import { selectFiles } from './select.ts';

/** What is no longer as it was locked. */
export interface Change {
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

interface Comparing {
  readonly folder: string;
  readonly store: BlobStore;
  readonly signal: AbortSignal;
}

/**
 * Files of local models, and texts of licenses, that are not as they were locked. Those that the store lacks are compared when
 * they are pulled.
 */
export async function changedModels(lock: Lock, options: Comparing): Promise<Change[]> {
  const { folder, store, signal } = options;
  const changed: Change[] = [];
  for (const model of lock.models) {
    const add = (path: string, expected: string, found: string): void =>
      void changed.push({ what: `${printable(path)} of ${model.name}`, expected, found });
    const texts = model.files.filter(({ from }) => from !== undefined && from.layer === undefined);
    for (const { digest, from } of texts) {
      const bytes = await readIfThere(resolvePath(folder, from?.path ?? ''), MAX_LICENSE_BYTES);
      const found = bytes && digestOf(bytes);
      if (found !== undefined && found !== digest) add(from?.path ?? '', digest, found);
    }
    const wanted = lock.manifest.models.find(({ name }) => name === model.name);
    const source = sourceRead(model);
    if (!isPathSource(source) || wanted === undefined) continue;
    const there = await filesIfThere({ ...wanted, source }, options);
    if (there === undefined) continue;
    const locked = new Map(
      model.files.filter(({ from }) => from === undefined).map((file) => [file.path, file]),
    );
    const at = (path: string): string => `${source.replace(/\/+$/, '')}/${path}`;
    for (const file of there) {
      const before = locked.get(file.path);
      locked.delete(file.path);
      const found = exactBytes(file.size);
      if (before === undefined) add(at(file.path), 'no such file', `a file of ${found}`);
      else if (before.size !== file.size) add(at(file.path), exactBytes(before.size), found);
      else if ((await store.size(before.digest)) === before.size) {
        const digest = await digestNow(before, file, { ...options, source });
        if (digest !== before.digest) add(at(file.path), before.digest, digest);
      }
    }
    for (const { path, digest } of locked.values()) add(at(path), digest, 'nothing');
    if (signal.aborted) break;
  }
  return changed;
}

/** The files of a local model that its manifest selects; undefined if the folder does not exist. */
async function filesIfThere(
  wanted: ModelSource,
  { folder, signal }: Comparing,
): Promise<FoundFile[] | undefined> {
  try {
    const kind = folderModels({ folder });
    return selectFiles(wanted, (await kind.resolve(wanted, signal)).files);
  } catch (error) {
    if (error instanceof StowageError && error.code === 'file-missing') return undefined;
    throw error;
  }
}

/** What a local file contains: as the store recorded it if nothing wrote to it since, or from its bytes. */
async function digestNow(
  before: Pick<LockedModelFile, 'path' | 'digest' | 'size'>,
  { digest, path, state }: FoundFile,
  { store, folder, signal, source }: Comparing & { readonly source: string },
): Promise<Digest> {
  if (digest !== undefined) return digest;
  if (state !== undefined && (await store.fact(before, factOf(state))) !== undefined)
    return before.digest;
  const owner = { source, repository: '', commit: '' };
  const origin = await folderModels({ folder }).file(owner, { path });
  return digestOfStream(await origin.open(0, signal));
}
