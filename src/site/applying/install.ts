import { type Changed, type ChangeOptions, carryPlan, withSite } from './change.ts';
import { type ImportOptions, importBundle, type Places } from '../importing/import.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { propose } from '../planning/propose.ts';
import { findRelease } from '../release/release.ts';
import { stateOf } from '../ledger/site-state.ts';

/**
 * Installs a release that was imported before.
 * @param name as {@link findRelease} takes it
 */
export async function installImported(name: string, options: ChangeOptions): Promise<Changed> {
  return withSite(options, async (ledger) => {
    const { id } = await findRelease(options.site, name);
    return carryInstall(id, ledger, options);
  });
}

/**
 * Admits a bundle, stages it, plans the way from what runs now to it, carries the plan out and gates it.
 * @param places as {@link importBundle} takes them
 */
export async function install(places: Places, options: ImportOptions): Promise<Changed> {
  const { target, signal } = options;
  return withSite(options, async (ledger) => {
    // Before gigabytes are read: a host without an engine is known at once.
    await target.probe(signal);
    const { id } = await importBundle(places, ledger, options);
    return carryInstall(id, ledger, options);
  });
}

async function carryInstall(id: string, ledger: Ledger, options: ChangeOptions): Promise<Changed> {
  const wish = { intent: 'install', subject: id } as const;
  const plan = await propose(wish, stateOf(ledger.entries), options.now(), options);
  return carryPlan(plan, ledger, options);
}
