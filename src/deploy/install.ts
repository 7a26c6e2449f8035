import type { Bundle } from '../format/bundle.ts';
import { momentOf } from '../format/field.ts';
import type { Generation } from '../format/generation.ts';
import type { Site } from '../format/site.ts';
import type { Trust } from '../format/trust.ts';
import { admit } from './admit.ts';
import type { AdmittedBundle } from './admitted-bundle.ts';
import { type Changed, type ChangeOptions, carryPlan, nextNumber, withSite } from './change.ts';
import { laterOf } from './clock.ts';
import { checkConstraints } from './constraints.ts';
import { currentGeneration } from './generations.ts';
import { hostPlatform } from './host.ts';
import { layoutFolder } from './layout.ts';
import type { Ledger } from './ledger.ts';
import { makePlan } from './plan.ts';
import type { Release } from './release.ts';
import { renderRelease } from './render.ts';
import { type SiteState, stateOf } from './site-state.ts';
import { stage } from './stage.ts';
import { keepTrust } from './trust-walk.ts';

export interface InstallOptions extends ChangeOptions {
  /** The site's pinned trust document, or the one that is pinned when this bundle is admitted. */
  readonly trust: Trust;
  /** Why a bundle may come in whose age alone is against it; kept in the ledger. */
  readonly acceptAge?: string;
}

/**
 * Admits a bundle, stages it, plans the way from what runs now to it, carries the plan out and gates it.
 * @param folder the bundle on its medium; nothing is written there
 */
export async function install(folder: string, options: InstallOptions): Promise<Changed> {
  const { site, target } = options;
  return withSite(options, async (ledger) => {
    await target.probe(options.signal);
    const settings = await site.site();
    const admitted = await importBundle(folder, settings, ledger, options);
    await keepTrust(site, ledger, admitted.trust, options.now());
    const release: Release = { id: admitted.id, bundle: admitted.bundle };
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

/** Admits and stages, and remembers what was accepted; changes nothing that runs. */
async function importBundle(
  folder: string,
  settings: Site,
  ledger: Ledger,
  options: InstallOptions,
): Promise<AdmittedBundle> {
  const { site, emit } = options;
  // Read again under the lock: another install may have moved it since.
  const trust = (await site.trust()) ?? options.trust;
  const state = stateOf(ledger.entries);
  const { channels, requireApproval } = settings;
  const { acceptAge } = options;
  const gatekeeper = {
    channels,
    platform: hostPlatform(),
    state,
    requireApproval,
    ...(acceptAge === undefined ? {} : { acceptAge }),
  };
  const now = (): Date => laterOf(options.now(), state.floor, emit);
  const admitted = await admit(folder, { ...options, now, trust, gatekeeper });
  await stage(admitted, site, options);
  await remember(admitted, state, ledger, options);
  return admitted;
}

async function remember(
  { id, bundle, signers }: AdmittedBundle,
  state: SiteState,
  ledger: Ledger,
  { now, acceptAge }: InstallOptions,
): Promise<void> {
  if (state.accepted.some((each) => each.bundle === id)) return;
  const { name: product, channel, version, seq } = bundle;
  const times = signers.filter((each) => each.counted).map((each) => momentOf(each.signingTime));
  const signedAt = times.toSorted().at(-1) ?? state.floor;
  if (acceptAge !== undefined) {
    await ledger.append({ kind: 'override', bundle: id, reason: acceptAge }, now());
  }
  await ledger.append(
    { kind: 'accepted', product, channel, version, seq, bundle: id, signedAt },
    now(),
  );
  for (const { release, versions, reason } of bundle.recalls ?? []) {
    await ledger.append({ kind: 'recalled', release, versions, reason, bundle: id }, now());
  }
}
