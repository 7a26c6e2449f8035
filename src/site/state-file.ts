import { basename } from 'node:path';
import { StowageError } from '../core/error.ts';
import { readBounded } from '../io/file.ts';

/**
 * Reads a state file of a site. What is no file there says nothing about a bundle.
 * @throws StowageError `file-missing`, `io-failed`; `state-damaged` for what is not a regular file
 */
export async function readState(path: string, maxBytes: number): Promise<Buffer> {
  try {
    return await readBounded(path, maxBytes);
  } catch (cause) {
    if (!(cause instanceof StowageError) || cause.code !== 'file-kind') throw cause;
    const { message, expected = '', found = '' } = cause;
    const hint = `find out what replaced it, and restore ${basename(path)} from the backup of the site folder`;
    throw new StowageError('state-damaged', message, { expected, found, hint, cause });
  }
}

/** {@link readState}, but undefined if the file does not exist. */
export async function readStateIfThere(
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  try {
    return await readState(path, maxBytes);
  } catch (error) {
    if (error instanceof StowageError && error.code === 'file-missing') return undefined;
    throw error;
  }
}
