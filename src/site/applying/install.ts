import { type ImportOptions, importBundle, type Places } from '../importing/import.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { stateOf } from '../ledger/site-state.ts';
import { propose } from '../planning/propose.ts';
import { findRelease } from '../release/release.ts';
import type { SiteContext } from '../site-context.ts';
import { type Changed, executePlan, withSite } from './change.ts';

/**
 * Installs a release that was imported before.
 * @param name as {@link findRelease} takes it
 */
export async function installImported(name: string, options: SiteContext): Promise<Changed> {
  return withSite(options, async (ledger) => {
    const { id } = await findRelease(options.site, name);
    return installStaged(id, ledger, options);
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
    return installStaged(id, ledger, options);
  });
}

async function installStaged(id: string, ledger: Ledger, options: SiteContext): Promise<Changed> {
  const wish = { intent: 'install', subject: id } as const;
  const plan = await propose(wish, stateOf(ledger.entries), options.now(), options);
  return executePlan(plan, ledger, options);
}
