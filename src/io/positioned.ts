import { fchmodSync, fstatSync, readSync, writeSync } from 'node:fs';
import { messageOf, systemCode } from '../core/error.ts';
import { KIB } from '../core/limits.ts';

/**
 * The most that is written at once through the page cache. For a larger write, Linux allocates larger pages, which a virtual machine may
 * have to get from its host first: 6 GiB took 2.5 s in pieces of 64 KiB, 10 s of 256 KiB.
 */
export const CACHED_WRITE_BYTES: number = 64 * KIB;

/** The error of a pass, with the system's code (or `ESIZE`, `EKIND`, `ESHORT`) and the path. */
export class PassError extends Error {
  readonly code: string;
  readonly path: string;
  constructor(code: string, path: string, message: string) {
    super(message);
    this.code = code;
    this.path = path;
  }
}

/** Where bytes are read: an open file, its path for errors, and the first byte. */
export interface ReadPlace {
  readonly source: number;
  readonly path: string;
  readonly position: number;
}

/** Reads exactly `want` bytes to the beginning of a buffer. @throws PassError `ESHORT`, or the system's code */
export function fill(buffer: Buffer, want: number, { source, position, path }: ReadPlace): Buffer {
  for (let filled = 0; filled < want; ) {
    const read = attempt(path, () =>
      readSync(source, buffer, filled, want - filled, position + filled),
    );
    if (read === 0) throw new PassError('ESHORT', path, `ends at byte ${position + filled}`);
    filled += read;
  }
  return buffer.subarray(0, want);
}

/** Writes all bytes at a position, through the page cache. */
export function drain(target: number, bytes: Buffer, position: number): void {
  for (let written = 0; written < bytes.length; ) {
    const length = Math.min(CACHED_WRITE_BYTES, bytes.length - written);
    written += writeSync(target, bytes, written, length, position + written);
  }
}

/** Gives a new file its mode, whatever the umask is. File systems without modes keep theirs. */
export function setModeSync(file: number, mode: number): void {
  if ((fstatSync(file).mode & 0o777) === mode) return;
  try {
    fchmodSync(file, mode);
  } catch (error) {
    if (!['EPERM', 'ENOSYS', 'EOPNOTSUPP'].includes(systemCode(error) ?? '')) throw error;
  }
}

/** Runs a system call; throws its error as a {@link PassError} with this path. */
export function attempt<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PassError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'EUNKNOWN';
    throw new PassError(code, path, messageOf(error));
  }
}
