import { MAX_ARCHIVE_ENTRIES } from '../core/limits.ts';

/** What a change writes on this host besides the site's own folder. */
export interface DiskUse {
  /** Where it is written. */
  readonly path: string;
  readonly bytes: number;
  readonly files: number;
}

/** Bytes of a layer or a tree for each file in it: few hold smaller ones on average. */
const BYTES_PER_FILE = 8192;

/** How many files to expect in a layer or a tree of so many bytes. */
export function filesIn(bytes: number): number {
  return Math.min(MAX_ARCHIVE_ENTRIES, Math.ceil(bytes / BYTES_PER_FILE));
}
