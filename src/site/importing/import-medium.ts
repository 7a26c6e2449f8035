import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import type { Medium } from '../../bundle/medium.ts';
import type { PartFault } from '../../bundle/part-check.ts';
import type { Tally } from '../../core/context.ts';
import type { Part } from '../../format/part.ts';
import type { HashPool } from '../../io/hashing.ts';
import type { Staging } from './staging.ts';

/** How many small parts are synced and journalled together. */
export const SMALL_PARTS_PER_BATCH = 512;

export interface CopyRequest {
  /** The parts to copy; a stream skips all others. */
  readonly parts: readonly Part[];
  readonly admitted: AdmittedBundle;
  readonly staging: Staging;
  readonly pool: HashPool;
  readonly tally: Tally;
}

/** What could not be copied. */
export interface CopyFailures {
  readonly faults: PartFault[];
  /** The folders of discs that can no longer be read. */
  readonly lost: Set<string>;
}

/** A {@link Medium} whose parts can be copied to a site. */
export interface ImportMedium extends Medium {
  /**
   * Whether its content counts only after it was read to the end: until then no blob gets its name, and it is read to
   * the end even if none of its parts is needed.
   */
  readonly countsAtEnd: boolean;
  /** The parts among these that it can still deliver. */
  available(parts: readonly Part[], admitted: AdmittedBundle): Part[];
  /** Whether it has no such part, as far as is known: of a stream only what was read. */
  lacks(part: Part, admitted: AdmittedBundle): boolean;
  /**
   * Copies parts to where staging wants them: each read once, hashed, written, fsynced and journalled, small ones in
   * batches. A damaged part does not stop the others.
   * @throws StowageError `stream-refused`, `stream-ended`, `space-insufficient`, `io-failed`, `interrupted`
   */
  copyParts(request: CopyRequest): Promise<CopyFailures>;
  /** Removes what it wrote for admission, whatever happened. */
  close(): Promise<void>;
}
