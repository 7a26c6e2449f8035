import { StowageError } from '../../core/error.ts';
import { MAX_MOUNTED_FILE_BYTES, MAX_TEMPLATE_BYTES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import { readCanonical } from '../../format/document.ts';
import { type RenderedObjects, renderedObjectsKind } from '../../format/rendered-objects.ts';
import type { SiteFolder } from '../site-folder.ts';

/**
 * The text of each file that a service of the bundle uses as a template, by its name.
 * @throws StowageError `document-invalid` for a folder, or for bytes that are not UTF-8
 */
export async function readTemplates(
  site: SiteFolder,
  bundle: Bundle,
): Promise<ReadonlyMap<string, string>> {
  const names = bundle.services.flatMap((service) =>
    service.mounts.flatMap((mount) => ('template' in mount ? [mount.template] : [])),
  );
  const texts = new Map<string, string>();
  for (const name of new Set(names)) {
    const file = bundle.files.find((each) => each.name === name);
    if (file?.kind !== 'file') throw notText(name, 'a folder');
    const bytes = await site.store.read(file.digest, MAX_TEMPLATE_BYTES);
    texts.set(name, decode(name, bytes));
  }
  return texts;
}

/** The content of each small single file that a service of the bundle mounts, by its name. */
export async function readFiles(
  site: SiteFolder,
  bundle: Bundle,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const names = new Set(
    bundle.services.flatMap(({ mounts }) =>
      mounts.flatMap((mount) => ('files' in mount ? [mount.files] : [])),
    ),
  );
  const contents = new Map<string, Uint8Array>();
  for (const { name, kind, digest, size } of bundle.files)
    if (names.has(name) && kind === 'file' && size <= MAX_MOUNTED_FILE_BYTES)
      contents.set(name, await site.store.read(digest, MAX_MOUNTED_FILE_BYTES));
  return contents;
}

/** The rendered objects of each chart and item of `objects`, by its name. @throws StowageError `blob-damaged`, `index-malformed` */
export async function readObjects(
  site: SiteFolder,
  { charts = [], objects = [] }: Bundle,
): Promise<ReadonlyMap<string, RenderedObjects>> {
  const documents = new Map<string, RenderedObjects>();
  for (const { name, objects: blob } of [...charts, ...objects]) {
    const bytes = await site.store.read(blob.digest, renderedObjectsKind.maxBytes);
    documents.set(name, readCanonical(renderedObjectsKind, bytes));
  }
  return documents;
}

function decode(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw notText(name, 'bytes that are not UTF-8');
  }
}

function notText(name: string, found: string): StowageError {
  return new StowageError('document-invalid', `file ${name} cannot be used as a template`, {
    expected: 'one file of UTF-8 text',
    found,
    hint: 'ask the release engineer to mount it with "files", or to name a text file',
  });
}
