import { link, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromBundle } from '../../content/items.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { RenderedText } from '../../format/generation.ts';
import { readTree } from '../../io/archive.ts';
import {
  exists,
  ioError,
  makeFolder,
  remove,
  renameIntoPlace,
  syncFolder,
  writeAtomic,
} from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';
import { loadRelease } from './release.ts';

/** The folder with the content of a release for its services. */
export function layoutFolder(site: SiteFolder, id: string): string {
  return site.path('layouts', id.slice(0, 32));
}

/**
 * Places the content of an imported release: `models/<name>/<path>` as hard links to the store, `files/<name>/` as links
 * or unpacked trees, `rendered/<sha256>` from templates. Models are not copied.
 */
export async function placeLayout(
  site: SiteFolder,
  id: string,
  texts: readonly RenderedText[],
): Promise<void> {
  const folder = layoutFolder(site, id);
  if (!(await exists(folder))) await placeRelease(site, id, folder);
  for (const { sha256, text } of texts) {
    const path = join(folder, 'rendered', sha256);
    if (await exists(path)) continue;
    await makeFolder(dirname(path));
    await writeAtomic(path, Buffer.from(text), 0o444);
  }
}

async function placeRelease(site: SiteFolder, id: string, folder: string): Promise<void> {
  const { bundle } = await loadRelease(site, id);
  const temporary = `${folder}.partial`;
  await remove(temporary);
  await makeFolder(temporary);
  await placeContents(site, bundle, temporary);
  await syncFolder(temporary);
  await renameIntoPlace(temporary, folder);
}

export async function removeLayout(site: SiteFolder, id: string): Promise<void> {
  await remove(layoutFolder(site, id));
}

/** Links and unpacks the content of a bundle below a folder. @throws StowageError `io-failed` */
export async function placeContents(
  site: SiteFolder,
  bundle: Bundle,
  folder: string,
): Promise<void> {
  for (const each of fromBundle(bundle, (kind, item) => kind.layout(item))) {
    const blob = site.store.path(each.digest);
    const path = join(folder, each.path);
    if (!each.unpack) await linkBlob(blob, path);
    else {
      await mkdir(path, { recursive: true });
      await readTree(blob, path);
    }
  }
}

async function linkBlob(blob: string, path: string): Promise<void> {
  try {
    await makeFolder(dirname(path));
    await link(blob, path);
  } catch (error) {
    throw ioError(error, path);
  }
}
