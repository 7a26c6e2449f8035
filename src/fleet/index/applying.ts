import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CONTROL_FILE_BYTES } from '../../core/limits.ts';
import type { Trust } from '../../format/trust.ts';
import { readBounded } from '../../io/file.ts';
import { damagedFleet, type FleetFolder } from '../fleet-folder.ts';
import type { SiteDocument } from '../site-document.ts';
import type { Database } from './database.ts';

/** A document that an entry recorded. */
export interface Recorded {
  readonly path: string;
  readonly sha512: string;
  /** The entry that recorded it, and when. */
  readonly entry: string;
  readonly at: string;
}

export interface Applying {
  readonly folder: FleetFolder;
  readonly database: Database;
  /** Oldest first. */
  readonly trust: readonly Trust[];
  readonly now: Date;
  /** Documents that this command verified a moment ago, by path. */
  readonly verified: ReadonlyMap<string, SiteDocument>;
  /** The sites whose history changed. */
  readonly touched: Set<string>;
}

/** The bytes of a document, as they were recorded. @throws StowageError `fleet-damaged`, `io-failed` */
export async function readRecorded(
  { path, sha512 }: Pick<Recorded, 'path' | 'sha512'>,
  folder: FleetFolder,
): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readBounded(folder.path(path), MAX_CONTROL_FILE_BYTES);
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
