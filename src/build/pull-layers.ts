import type { OnBytes } from '../core/context.ts';
import { StowageError } from '../core/error.ts';
import { counted, quoted } from '../core/text.ts';
import type { Lock } from '../format/lock.ts';
import type { LockedModel, LockedModelFile } from '../format/locked-content.ts';
import type { BlobStore } from '../io/blob-store.ts';
import { forEachBounded } from '../io/queue.ts';
import { modelFileOrigin, type Sources } from './origins.ts';
import type { Transfer } from './transfer.ts';
import { type Layer, withLayer } from './unwrap-layer.ts';

const FILES_AT_ONCE = 4;

/** A layer of a model, of which the store lacks some files. */
export interface NeededLayer extends Layer {
  readonly model: LockedModel;
  readonly files: readonly LockedModelFile[];
}

/** The layers that must be downloaded because the store lacks files in them. */
export async function neededLayers({ models }: Lock, store: BlobStore): Promise<NeededLayer[]> {
  const needed = new Map<string, { layer: Layer; model: LockedModel; files: LockedModelFile[] }>();
  for (const model of models) {
    for (const file of model.files) {
      const layer = file.from?.layer;
      if (layer === undefined || (await store.size(file.digest)) === file.size) continue;
      const known = needed.get(layer.digest);
      if (known === undefined) needed.set(layer.digest, { layer, model, files: [file] });
      else known.files.push(file);
    }
  }
  return [...needed.values()].map(({ layer, ...rest }) => ({ ...layer, ...rest }));
}

/** Downloads a layer, and stores the files that the store lacks, each verified by its digest. */
export async function pullLayer(
  { model, files, digest, size }: NeededLayer,
  { sources, folder }: { readonly sources: Sources; readonly folder: string },
  transfer: Transfer,
  onBytes: OnBytes,
): Promise<void> {
  const whole = { path: `layer ${digest}`, digest };
  const origin = await modelFileOrigin(model, whole, { ...sources, folder });
  await withLayer({ digest, size }, origin, { transfer, onBytes }, async ({ entries, keep }) => {
    await forEachBounded(files, FILES_AT_ONCE, async (file) => {
      const entry = entries.findLast(
        ({ kind, path }) => kind === 'file' && path === file.from?.path,
      );
      if (entry === undefined || entry.size !== file.size)
        throw new StowageError('source-mismatch', `the layers of model ${model.name} changed`, {
          expected: `${quoted(file.from?.path ?? '')} of ${counted(file.size, 'byte')}`,
          found: entry === undefined ? 'no such file' : counted(entry.size, 'byte'),
          hint: 'run stowage lock again and compare the result: a layer always has the same files',
        });
      await keep(entry, file.digest);
    });
  });
}
