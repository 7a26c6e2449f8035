import type { Context } from '../core/context.ts';
import type { FleetAction } from '../format/fleet.ts';
import type { LedgerUser } from '../format/ledger.ts';
import type { FleetFolder } from './fleet-folder.ts';
import { bringUpToDate, headsOf, type IndexedFleet, withIndex } from './index/fleet-index.ts';
import { clearUnfinished, type NewFile, record } from './record.ts';
import type { VerifiedDocument } from './verified-document.ts';

/** Who changes a fleet, and when. */
export interface ChangeOptions extends Context {
  readonly by: LedgerUser;
}

/** A fleet that this command alone changes. */
export interface ChangingFleet extends IndexedFleet {
  /** Records documents, which are then in the index as well. */
  add(addition: Addition): Promise<void>;
}

export interface Addition {
  readonly action: FleetAction;
  readonly subject: string;
  readonly files: readonly NewFile[];
  /** Documents among the files that were verified. */
  readonly verified?: ReadonlyMap<string, VerifiedDocument>;
}

/**
 * Runs `work` while no other command changes the fleet. What a killed command left is removed first.
 * @throws StowageError `fleet-locked`, `fleet-damaged`
 */
export async function changeFleet<T>(
  folder: FleetFolder,
  options: ChangeOptions,
  work: (fleet: ChangingFleet) => Promise<T>,
): Promise<T> {
  return folder.locked(async () => {
    await clearUnfinished(folder);
    return withIndex(folder, options, (fleet) =>
      work({
        ...fleet,
        add: async ({ verified, ...addition }) => {
          const { by, now } = options;
          await record(folder, { ...addition, by, now: now(), heads: headsOf(fleet.database) });
          await bringUpToDate(fleet, {
            ...options,
            ...(verified === undefined ? {} : { verified }),
          });
        },
      }),
    );
  });
}
