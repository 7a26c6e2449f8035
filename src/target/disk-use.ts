import { MAX_ARCHIVE_ENTRIES } from '../core/limits.ts';

/** What a change writes to one file system of this host. */
export interface DiskUse {
  readonly path: string;
  readonly bytes: number;
  readonly files: number;
}

/** A low estimate of the average file size in a layer or tree. */
const BYTES_PER_FILE = 8192;

/** The estimated number of files in a layer or tree of this size. */
export function filesIn(bytes: number): number {
  return Math.min(MAX_ARCHIVE_ENTRIES, Math.ceil(bytes / BYTES_PER_FILE));
}
