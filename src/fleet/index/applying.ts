import type { Trust } from '../../format/trust.ts';
import type { FleetFolder } from '../fleet-folder.ts';
import type { RecordedFile } from '../recorded-file.ts';
import type { VerifiedDocument } from '../verified-document.ts';
import type { Database } from './database.ts';

/** A document that an entry recorded. */
export interface Recorded extends RecordedFile {
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
  readonly verified: ReadonlyMap<string, VerifiedDocument>;
  /** The sites whose history changed. */
  readonly touched: Set<string>;
}
