import { hopsBeside, readHops, writeHops } from '../../bundle/hops.ts';
import type { Emit } from '../../core/context.ts';
import { exists } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';

/** Where the statements of the hops of an imported bundle are kept. */
export function hopsFolder(site: SiteFolder, id: string): string {
  return site.path('hops', id.slice(0, 32));
}

/**
 * Keeps the statements that lie beside a bundle, so that an export passes them on. Those that do not count are left, with a
 * warning.
 * @param folders of the bundle, or of its discs
 * @throws StowageError `io-failed`
 */
export async function keepHops(
  site: SiteFolder,
  id: string,
  folders: readonly string[],
  emit: Emit,
): Promise<void> {
  for (const folder of folders) {
    const beside = hopsBeside(folder);
    if (!(await exists(beside))) continue;
    const { hops, fault } = await readHops(beside, id);
    if (fault !== undefined)
      emit({
        type: 'warning',
        message: `a statement of a hop in ${beside} is not kept: ${fault.message} [${fault.code}]`,
        hint: fault.hint,
      });
    await writeHops(hopsFolder(site, id), hops);
  }
}
