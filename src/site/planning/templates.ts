import { StowageError } from '../../core/error.ts';
import { MAX_TEMPLATE_BYTES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
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
