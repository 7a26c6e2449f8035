import { rmSync } from 'node:fs';
import { type ChangeOptions, changeFleet } from '../../src/fleet/change.ts';
import type { FleetFolder } from '../../src/fleet/fleet-folder.ts';
import { type IndexedFleet, withIndex } from '../../src/fleet/index/fleet-index.ts';
import { initFleet } from '../../src/fleet/init.ts';
import { recordSite } from '../../src/fleet/record-fact.ts';
import type { Trust } from '../../src/format/trust.ts';
import type { Signer } from '../../src/trust/cms-sign.ts';
import type { SimulatedSite } from '../lab/simulated-fleet.ts';
import { context, packedAt } from './context.ts';
import { makeAuthority } from './small-bundle.ts';

export const authority: ReturnType<typeof makeAuthority> = makeAuthority();

/** Who works with the fleets of tests. */
export function byEngineer(values: Partial<ChangeOptions> = {}): ChangeOptions {
  return { ...context(), by: { uid: 1000 }, ...values };
}

/** A fleet without sites. */
export function newFleet(root: string, trust: Trust = authority.trust): Promise<FleetFolder> {
  return initFleet({ root, name: 'works', trust, by: { uid: 1000 }, now: packedAt });
}

/** Adds sites as an engineer would, after comparing fingerprints. */
export async function addSites(
  folder: FleetFolder,
  sites: readonly Pick<SimulatedSite, 'name' | 'signer'>[],
  values: { readonly labels?: Readonly<Record<string, string>>; readonly by?: Signer } = {},
): Promise<void> {
  const { labels = {}, by = authority.signer } = values;
  await changeFleet(folder, byEngineer(), async (fleet) => {
    for (const { name, signer } of sites)
      await recordSite(
        fleet,
        {
          ...{ name, labels, channels: ['stable'] },
          certificate: signer.certificate.der.toString('base64'),
        },
        { number: 1, by: { name: 'release', signer: by }, now: packedAt },
      );
  });
}

/** Looks into the index of a fleet, brought up to date. */
export function look<T>(
  folder: FleetFolder,
  read: (fleet: IndexedFleet) => T,
  rebuild = false,
): Promise<T> {
  return withIndex(folder, { ...context(), rebuild }, async (fleet) => read(fleet));
}

/** What the index of a fleet says, without the row ids, which depend on the order. */
export function contentsOf(folder: FleetFolder): Promise<object> {
  return look(folder, ({ database }) => ({
    files: database.all('SELECT path, sha512 FROM file ORDER BY path'),
    receipts: database.all(
      'SELECT path, site, at, entries, head, generation, healthy, state FROM receipt ORDER BY path',
    ),
    alarms: database.all(
      'SELECT site, kind, text, first, second FROM alarm WHERE kind <> ? ORDER BY 1, 2, 4, 5',
      'future',
    ),
    newest: database.all(
      'SELECT newest.site, path FROM newest JOIN receipt ON id = receipt ORDER BY 1',
    ),
    defects: database.all('SELECT path, code FROM defect ORDER BY path'),
  }));
}

/** Forgets what this machine alone has, as a new clone of the folder. */
export function forgetIndex(folder: FleetFolder): void {
  rmSync(folder.path('.stowage'), { recursive: true, force: true });
}
