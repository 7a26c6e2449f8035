import type { Bundle } from '../format/bundle.ts';

/**
 * Where a bundle is read from: the folders of its discs, or a tar stream that arrives once. Admission calls the three
 * steps in this order, each only after what the previous one brought was checked.
 */
export interface Medium {
  /** Where the control files of the bundle, or of each of its discs, can be read after the steps below. */
  readonly folders: readonly string[];
  /** One of the folders as a message names it; undefined where the user cannot find the bundle's files there. */
  visibleFolder(folder: string): string | undefined;
  /** Makes `SHA512SUMS`, its signatures and the trust documents readable. */
  readSigned(): Promise<void>;
  /** Makes `bundle.json` readable; the signatures over `SHA512SUMS` hold. */
  readIndex(): Promise<void>;
  /** Makes the control files that `bundle.json` lists readable; the index is verified. */
  readControlFiles(bundle: Bundle): Promise<void>;
}

/** The folders of a bundle or of its discs, where every file can be read at any time. */
export class FolderMedium implements Medium {
  readonly folders: readonly string[];

  constructor(folders: readonly string[]) {
    this.folders = folders;
  }

  visibleFolder(folder: string): string {
    return folder;
  }

  async readSigned(): Promise<void> {}

  async readIndex(): Promise<void> {}

  async readControlFiles(_bundle: Bundle): Promise<void> {}
}
