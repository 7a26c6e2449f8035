import type { Bundle } from '../format/bundle.ts';
import { momentOf } from '../format/field.ts';
import type { Generation } from '../format/generation.ts';
import { type Changed, carryPlan, nextNumber, withSite } from './change.ts';
import { checkConstraints } from './constraints.ts';
import { currentGeneration } from './generations.ts';
import { hostPlatform } from './host.ts';
import { type ImportOptions, importBundle } from './import.ts';
import { layoutFolder } from './layout.ts';
import { makePlan } from './plan.ts';
import { renderRelease } from './render.ts';

/**
 * Admits a bundle, stages it, plans the way from what runs now to it, carries the plan out and gates it.
 * @param folder the bundle on its medium; nothing is written there
 */
export async function install(folder: string, options: ImportOptions): Promise<Changed> {
  const { site, target } = options;
  return withSite(options, async (ledger) => {
    await target.probe(options.signal);
    const settings = await site.site();
    const release = await importBundle(folder, ledger, options);
    const from = await currentGeneration(site);
    if (isNotice(release.bundle)) {
      return {
        plan: makePlan({ intent: 'install', site: settings.name, from, to: from, constraints: [] }),
      };
    }
    const wanted = renderRelease(release, {
      site: settings,
      files: layoutFolder(site, release.id),
      platform: hostPlatform(),
    });
    const to: Generation = {
      schema: 'stowage/generation/v1',
      number: await nextNumber(site),
      appliedAt: momentOf(options.now()),
      releases: [...from.releases.filter((each) => each.name !== wanted.name), wanted],
    };
    const constraints = await checkConstraints(release.bundle, wanted, from);
    return carryPlan(
      makePlan({ intent: 'install', site: settings.name, from, to, constraints }),
      ledger,
      options,
    );
  });
}

/** Whether a bundle carries word alone (recalls, trust documents), and nothing to run or to serve. */
function isNotice(bundle: Bundle): boolean {
  return [bundle.models, bundle.images, bundle.files, bundle.services].every(
    (each) => each.length === 0,
  );
}
