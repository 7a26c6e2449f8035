import { StowageError } from '../core/error.ts';
import type { Checksum } from '../format/checksums.ts';

const INSTALLER = /^stowage-[a-z0-9]+-[a-z0-9]+$/;

/** Where a bundle lies, and the list of its files. */
export interface ListedBundle {
  /** Undefined for a bundle that arrives through a pipe. */
  readonly folder: string | undefined;
  readonly checksums: readonly Checksum[];
}

/**
 * What `read` gives. A bundle of a newer format is refused with the name of the installers that travel in it, as the list of
 * its files has them; for bytes that the list vouches for.
 * @throws StowageError `format-newer`, and all that `read` throws
 */
export function namingInstaller<T>({ folder, checksums }: ListedBundle, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'format-newer') throw error;
    const installers = checksums.map(({ path }) => path).filter((path) => INSTALLER.test(path));
    const place = folder === undefined ? '' : ` in ${folder}`;
    const { message, expected = '', found = '' } = error;
    throw new StowageError('format-newer', message, {
      ...{ expected, found, cause: error },
      hint:
        installers.length === 0
          ? 'this bundle carries no installer: ask the release engineer for the version of stowage that packed it'
          : `run the installer in this bundle instead: ${installers.join(' or ')}${place}`,
    });
  }
}
