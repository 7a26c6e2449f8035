import { momentOf } from '../format/field.ts';
import type { Generation } from '../format/generation.ts';
import type { Site } from '../format/site.ts';
import type { SiteState } from '../format/site-state.ts';
import type { Trust } from '../format/trust.ts';
import { admit } from './admit.ts';
import type { AdmittedBundle } from './admitted-bundle.ts';
import { type Changed, type ChangeOptions, carryPlan, nextNumber, withSite } from './change.ts';
import { checkConstraints } from './constraints.ts';
import { currentGeneration } from './generations.ts';
import { hostPlatform } from './host.ts';
import { layoutFolder } from './layout.ts';
import { makePlan } from './plan.ts';
import type { Release } from './release.ts';
import { renderRelease } from './render.ts';
import type { SiteFolder } from './site-folder.ts';
import { stage } from './stage.ts';
import { keepTrust } from './trust-walk.ts';

export interface InstallOptions extends ChangeOptions {
  /** The site's pinned trust document, or the one that is pinned when this bundle is admitted. */
  readonly trust: Trust;
}

/**
 * Admits a bundle, stages it, plans the way from what runs now to it, carries the plan out and gates it.
 * @param folder the bundle on its medium; nothing is written there
 */
export async function install(folder: string, options: InstallOptions): Promise<Changed> {
  const { site, target } = options;
  return withSite(options, async () => {
    await target.probe(options.signal);
    const settings = await site.site();
    const admitted = await importBundle(folder, settings, options);
    await keepTrust(site, admitted.trust);
    const release: Release = { id: admitted.id, bundle: admitted.bundle };
    const from = await currentGeneration(site);
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
      options,
    );
  });
}

/** Admits and stages, and remembers what was accepted; changes nothing that runs. */
async function importBundle(
  folder: string,
  settings: Site,
  options: InstallOptions,
): Promise<AdmittedBundle> {
  const { site } = options;
  // Read again under the lock: another install may have moved it since.
  const trust = (await site.trust()) ?? options.trust;
  const state = await site.state();
  const { channels, requireApproval } = settings;
  const gatekeeper = { channels, platform: hostPlatform(), state, requireApproval };
  const admitted = await admit(folder, { ...options, trust, gatekeeper });
  await stage(admitted, site, options);
  await remember(site, state, admitted);
  return admitted;
}

async function remember(
  site: SiteFolder,
  state: SiteState,
  admitted: AdmittedBundle,
): Promise<void> {
  const { name: product, channel, seq } = admitted.bundle;
  const others = state.accepted.filter(
    (each) => each.product !== product || each.channel !== channel,
  );
  const times = admitted.signers
    .filter((each) => each.counted)
    .map((each) => momentOf(each.signingTime));
  await site.saveState({
    schema: 'stowage/site-state/v1',
    accepted: [...others, { product, channel, seq, bundle: admitted.id }],
    floor: [state.floor, ...times].toSorted().at(-1) ?? state.floor,
  });
}
