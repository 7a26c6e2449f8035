import type { PartFault } from '../../bundle/part-check.ts';
import type { Part } from '../../format/part.ts';
import type { StreamedPart } from './copy-from-stream.ts';
import { SMALL_PARTS_PER_BATCH } from './import-medium.ts';
import type { Staging } from './staging.ts';

/** A part that was read from the stream. */
interface Unchecked extends StreamedPart {
  readonly part: Part;
  /** Whether it is journalled if it is as signed: at once, or after it was synced with others. */
  readonly keep: 'no' | 'now' | 'in a batch';
}

/** The parts that were read from a stream and are still hashed, in the order of the stream. */
export class UncheckedParts {
  /** What was wrong with parts so far. */
  readonly faults: PartFault[] = [];
  readonly #staging: Staging;
  readonly #parts: Unchecked[] = [];
  readonly #small: Part[] = [];

  constructor(staging: Staging) {
    this.#staging = staging;
  }

  add(part: Unchecked): void {
    this.#parts.push(part);
  }

  /**
   * Waits until at most so many parts are unchecked; journals those that are as signed.
   * @throws StowageError `space-insufficient`, `io-failed`
   */
  async settle(most: number): Promise<void> {
    while (this.#parts.length > most) {
      const [first] = this.#parts.splice(0, 1);
      if (first === undefined) return;
      const { part, keep, checked } = first;
      const fault = await checked;
      if (fault !== undefined) this.faults.push(fault);
      else if (keep === 'in a batch') this.#small.push(part);
      else if (keep === 'now' && !this.#staging.has(part)) await this.#staging.keep(part);
      if (this.#small.length >= SMALL_PARTS_PER_BATCH) await this.#commit();
    }
    if (most === 0) await this.#commit();
  }

  /** Waits until nothing is hashed or written any more; ignores what was found. */
  async quiet(): Promise<void> {
    await Promise.all(this.#parts.splice(0).map(({ checked }) => checked.catch(() => {})));
  }

  async #commit(): Promise<void> {
    await this.#staging.commitBatch(this.#small.splice(0));
  }
}
