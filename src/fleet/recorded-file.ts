import { join } from 'node:path';
import { sriHex, sriOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_CONTROL_FILE_BYTES } from '../core/limits.ts';
import { readBoundedSync } from '../io/file-sync.ts';
import { damagedFleet } from './fleet-folder.ts';

/** A document of a fleet, as an entry of the ledger lists it. */
export interface RecordedFile {
  /** Relative to the folder of the fleet. */
  readonly path: string;
  readonly sha512: string;
}

/** The bytes of a document, as they were recorded. @throws StowageError `fleet-damaged`, `io-failed` */
export function readRecorded({ path, sha512 }: RecordedFile, root: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readBoundedSync(join(root, path), MAX_CONTROL_FILE_BYTES);
  } catch (cause) {
    if (!(cause instanceof StowageError) || cause.code === 'io-failed') throw cause;
    const found = cause.code === 'file-missing' ? 'nothing' : (cause.found ?? 'no regular file');
    throw damagedFleet(`${path} is missing`, { expected: 'the recorded document', found, cause });
  }
  const found = sriHex(sriOf(bytes));
  if (found === sha512) return bytes;
  const conflict = bytes.includes('<<<<<<< ') ? ', with the marks of a merge conflict' : '';
  throw damagedFleet(`${path} is not what was recorded`, {
    expected: `SHA-512 ${sha512.slice(0, 16)}`,
    found: `${found.slice(0, 16)}${conflict}`,
  });
}

/** A `fleet-damaged` error. */
export function misplaced(path: string): StowageError {
  return damagedFleet(`${path} is not where its content belongs`, {
    expected: 'a folder and name that match the document',
    found: path,
  });
}
