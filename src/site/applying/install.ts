import { findImported } from '../importing/find-imported.ts';
import { type ImportOptions, importBundle, type Places } from '../importing/import.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { stateOf } from '../ledger/site-state.ts';
import { returnsOf } from '../planning/constraints/upgrade-path.ts';
import { propose } from '../planning/propose.ts';
import type { SiteContext } from '../site-context.ts';
import { type Changed, executePlan, withSite } from './change.ts';

/**
 * Installs an imported release.
 * @param name as in {@link findImported}
 */
export async function installImported(name: string, options: SiteContext): Promise<Changed> {
  return withSite(options, async (ledger) => {
    const { id } = await findImported(name, ledger.entries, options);
    return installStaged(id, ledger, options);
  });
}

/**
 * Imports a bundle, plans the change to it, and executes the plan with its gates.
 * @param places as in {@link importBundle}
 */
export async function install(places: Places, options: ImportOptions): Promise<Changed> {
  const { target, signal } = options;
  return withSite(options, async (ledger) => {
    // Fails early on a host without an engine, before gigabytes are read.
    await target.probe(signal);
    const { id } = await importBundle(places, ledger, options);
    return installStaged(id, ledger, options);
  });
}

async function installStaged(id: string, ledger: Ledger, options: SiteContext): Promise<Changed> {
  const request = { intent: 'install', subject: id } as const;
  const plan = await propose(request, stateOf(ledger.entries), options.now(), options);
  for (const { name, from, to } of returnsOf(plan))
    options.emit({
      type: 'warning',
      message: `${name} returns from ${from} to ${to}`,
      hint: 'to return to an earlier generation with its values, use stowage rollback',
    });
  return executePlan(plan, ledger, options);
}
