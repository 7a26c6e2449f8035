import type { AdmittedBundle } from '../../bundle/admitted-bundle.ts';
import { discNamed } from '../../bundle/discs.ts';
import { FolderMedium } from '../../bundle/medium.ts';
import { examinePart, type PartFault } from '../../bundle/part-check.ts';
import { partInWords } from '../../core/context.ts';
import type { Part } from '../../format/part.ts';
import { forEachBounded } from '../../io/queue.ts';
import { readersFor } from '../../io/seeking.ts';
import {
  type CopyFailures,
  type CopyRequest,
  type ImportMedium,
  SMALL_PARTS_PER_BATCH,
} from './import-medium.ts';
import { isLost } from './lost-disc.ts';
import type { Staging } from './staging.ts';

/** The folders of a bundle or of some of its discs. Nothing is written there. */
export class DiscMedium extends FolderMedium implements ImportMedium {
  readonly countsAtEnd = false;

  available(parts: readonly Part[], { discs }: AdmittedBundle): Part[] {
    return parts.filter((part) => discs.some(({ files }) => files.has(part.path)));
  }

  lacks(part: Part, { discs }: AdmittedBundle): boolean {
    return !discs.some(({ files }) => files.has(part.path));
  }

  /** As {@link ImportMedium.copyParts}; a part that is damaged on one disc is read from the next that has it. */
  async copyParts(request: CopyRequest): Promise<CopyFailures> {
    const { parts, admitted, staging, pool } = request;
    const copier = new DiscCopier(request);
    const readers = await readersFor(
      admitted.discs.map(({ folder }) => folder),
      pool.width,
    );
    await forEachBounded(batchesOf(parts, staging), readers, async (batch) => {
      const copied: Part[] = [];
      for (const part of batch) if (await copier.copy(part)) copied.push(part);
      const [only] = copied;
      if (only !== undefined && !staging.isSmall(only)) await staging.keep(only);
      else await staging.commitBatch(copied);
    });
    return copier.failures;
  }

  async close(): Promise<void> {}
}

class DiscCopier {
  readonly failures: CopyFailures = { faults: [], lost: new Set() };
  readonly #request: CopyRequest;
  readonly #unread: Set<Part>;
  #begun = 0;

  constructor(request: CopyRequest) {
    this.#request = request;
    this.#unread = new Set(request.parts);
  }

  /** @returns whether one disc had the part as signed */
  async copy(part: Part): Promise<boolean> {
    const { parts, admitted, staging, tally } = this.#request;
    const { faults, lost } = this.failures;
    const { discs } = admitted;
    this.#unread.delete(part);
    this.#begun += 1;
    for (const { folder, files } of discs) {
      if (!files.has(part.path) || lost.has(folder)) continue;
      if (!staging.isSmall(part)) await staging.allocate(part);
      tally.at(partInWords(this.#begun, parts.length, discNamed(folder, discs.length).disc));
      const fault = await this.#copyFrom(folder, part);
      if (fault === undefined) return true;
      const others = [...this.#unread].filter((each) => files.has(each.path));
      if (fault.unreadable && (await isLost(folder, others))) lost.add(folder);
      else faults.push(fault);
    }
    return false;
  }

  #copyFrom(folder: string, part: Part): Promise<PartFault | undefined> {
    const { admitted, staging, pool, tally } = this.#request;
    const { bundle, discs } = admitted;
    const loose = staging.isSmall(part);
    const destination = { ...staging.place(part), loose };
    const disc = discNamed(folder, discs.length);
    return examinePart(part, { bundle, folder, ...disc, pool, onBytes: tally.add }, destination);
  }
}

/** Parts in their order: each large one alone, small ones in batches. */
function* batchesOf(parts: readonly Part[], staging: Staging): Iterable<Part[]> {
  let small: Part[] = [];
  for (const part of parts) {
    if (staging.isSmall(part)) {
      small.push(part);
      if (small.length < SMALL_PARTS_PER_BATCH) continue;
      yield small;
      small = [];
    } else yield [part];
  }
  if (small.length > 0) yield small;
}
