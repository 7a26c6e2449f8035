import { join, resolve as resolvePath } from 'node:path';
import { type Digest, digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { LockedObjects, RenderInputFile } from '../../format/rendered-content.ts';
import type { BlobStore } from '../../io/blob-store.ts';
import { parseChartSource } from './chart-source.ts';
import { localChart } from './local-chart.ts';
import { objectInputs } from './plain-objects.ts';

/** The digest that the archive of a local chart has now; undefined for any other chart, and for one that is gone. */
export async function localChartDigest(
  name: string,
  source: string,
  { folder, store }: { readonly folder: string; readonly store: BlobStore },
): Promise<Digest | undefined> {
  const address = parseChartSource(source);
  if (address.kind !== 'local') return undefined;
  const work = join(store.root, 'incoming');
  return unlessMissing(async () =>
    digestOf(await localChart(resolvePath(folder, address.path), `chart ${name}`, work)),
  );
}

/** The files that an entry of `objects` consists of now; none if it is gone. */
export async function inputsIfThere(
  item: LockedObjects,
  folder: string,
): Promise<readonly RenderInputFile[]> {
  return (await unlessMissing(() => objectInputs(item, folder))) ?? [];
}

async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StowageError && error.code === 'file-missing') return undefined;
    throw error;
  }
}
