import { type Changed, carryPlan, withSite } from './change.ts';
import { type ImportOptions, importBundle } from './import.ts';
import { propose } from './propose.ts';
import { stateOf } from './site-state.ts';

/**
 * Admits a bundle, stages it, plans the way from what runs now to it, carries the plan out and gates it.
 * @param places the bundle's folder, or those of its discs; nothing is written there
 */
export async function install(
  places: string | readonly string[],
  options: ImportOptions,
): Promise<Changed> {
  const { target, signal, now } = options;
  return withSite(options, async (ledger) => {
    // Before gigabytes are read: a host without an engine is known at once.
    await target.probe(signal);
    const { id } = await importBundle(places, ledger, options);
    const wish = { intent: 'install', subject: id } as const;
    return carryPlan(await propose(wish, stateOf(ledger.entries), now(), options), ledger, options);
  });
}
