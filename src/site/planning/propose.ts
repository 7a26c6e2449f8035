import { isDeepStrictEqual } from 'node:util';
import { isNotice } from '../../content/items.ts';
import { optionalParts } from '../../content/optional.ts';
import { StowageError } from '../../core/error.ts';
import { oneLine } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import { momentOf } from '../../format/field.ts';
import type { Intent } from '../../format/override.ts';
import {
  type DeployedRelease,
  type Generation,
  generationSchema,
  type Plan,
} from '../../format/plan.ts';
import type { Site } from '../../format/site.ts';
import type { Change, Repair, ServiceName } from '../../target/change.ts';
import { createHostProbe } from '../../target/host/host-probe.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import { carDigests } from '../catalog/car-entry.ts';
import { currentGeneration, installedRelease, loadGeneration, nextNumber } from '../generations.ts';
import type { SiteState } from '../ledger/site-state.ts';
import { bundleAsDeployed, chosenBySite } from '../release/chosen-parts.ts';
import { layoutFolder } from '../release/layout.ts';
import { loadRelease, type Release, signedBundle } from '../release/release.ts';
import type { SiteContext } from '../site-folder.ts';
import { findService, stoppedServices } from '../stopped.ts';
import { hasObjects } from './constraints/admissible.ts';
import { checkConstraints } from './constraints/check-constraints.ts';
import { makePlan } from './plan.ts';
import { requireValues } from './release-values.ts';
import { renderRelease, renderServed } from './render.ts';
import { ownSecretReader, secretNames, withOwnSecrets } from './secrets.ts';
import { readFiles, readObjects, readTemplates } from './templates.ts';

/** The most characters of the reason of a step. */
const MAX_REASON = 400;

/** A requested change of a site. */
export interface ChangeRequest {
  readonly intent: Intent;
  /** The id of an imported bundle, the number of a generation, or an installed release, as `NAME` or `NAME@VERSION`. */
  readonly subject: string;
}

/**
 * The plan for a requested change. Reads the site, its host and its engine, and changes nothing.
 * @param at the time of the plan; equal conditions at the same time give equal plans
 * @throws StowageError `release-unknown`, `generation-unknown`, `release-recalled`, `site-invalid`, `host-unfit`
 */
export async function propose(
  request: ChangeRequest,
  state: SiteState,
  at: Date,
  options: SiteContext,
): Promise<Plan> {
  const { site, target, signal, env = {} } = options;
  await target.probe(signal);
  const settings = await site.site();
  const from = await currentGeneration(site);
  const { intent } = request;
  const subject =
    intent === 'uninstall' ? installedRelease(from, request.subject).name : request.subject;
  const wanted = await generationFor({ intent, subject }, { from, settings, at }, options);
  const stopped = await stoppedServices(site, from);
  const repairs =
    intent === 'install' ? await repairsOf(subject, { from, to: wanted, stopped }, options) : [];
  // A repair makes no new generation.
  const to = repairs.length > 0 ? from : wanted;
  const bundles = await bundlesOf(options, from, to);
  const wantedChange: Change = { intent, from, to, bundles, repairs, stopped };
  const exclusive = (await target.exclusive?.(wantedChange, signal)) ?? [];
  const change: Change = { ...wantedChange, exclusive };
  const host = options.host ?? createHostProbe({ env });
  const ownSecret = ownSecretReader(settings, target, env);
  const context = { change, host, store: site.store, ownSecret, now: at, signal };
  const constraints = await checkConstraints({
    ...{ context, site, settings, state, target, env },
    now: at,
  });
  return makePlan({
    ...{ change, subject, constraints, target },
    site: settings.name,
    madeAt: momentOf(at),
  });
}

/** The requested generation. */
async function generationFor(
  { intent, subject }: ChangeRequest,
  { from, settings, at }: { from: Generation; settings: Site; at: Date },
  options: SiteContext,
): Promise<Generation> {
  const { site } = options;
  if (intent === 'rollback') return loadGeneration(site, Number(subject));
  const others = (name: string): Generation['releases'] =>
    from.releases.filter((each) => each.name !== name);
  const next = async (releases: Generation['releases']): Promise<Generation> => ({
    schema: generationSchema(releases),
    number: await nextNumber(site),
    appliedAt: momentOf(at),
    releases,
  });
  if (intent === 'uninstall') return next(others(subject));
  const release = await loadRelease(site, subject);
  const { bundle } = release;
  if (isNotice(bundle)) return from;
  return next([...others(bundle.name), await render(release, settings, options)]);
}

/** The services of an installed release that stays as it is, and do not run as they were applied. */
async function repairsOf(
  bundle: string,
  { from, to, stopped }: Pick<Change, 'from' | 'to'> & { stopped: readonly ServiceName[] },
  { target, signal }: SiteContext,
): Promise<Repair[]> {
  const release = to.releases.find((each) => each.bundle === bundle && isIn(from, each));
  if (release === undefined) return [];
  const repairs: Repair[] = [];
  for (const { name: service } of target.services(release)) {
    const name = { release: release.name, service };
    if (findService(stopped, name) !== undefined) continue;
    const { state, drift } = await target.state({ release, service }, signal);
    const running = state === 'running';
    if (running && drift.length === 0) continue;
    const fields = drift.map(({ field }) => field).join(', ');
    const reason = running
      ? `it differs from generation ${from.number}: ${fields}`
      : `it is ${state}`;
    repairs.push({ ...name, running, reason: oneLine(reason, MAX_REASON) });
  }
  return repairs;
}

function isIn({ releases }: Generation, release: DeployedRelease): boolean {
  return releases.some((each) => isDeepStrictEqual(each, release));
}

/** The bundles of the releases in two generations, by id. Those of `from` that cannot be read are missing. */
async function bundlesOf(
  { site, emit }: SiteContext,
  from: Generation,
  to: Generation,
): Promise<ReadonlyMap<string, Bundle>> {
  const bundles = new Map<string, Bundle>();
  const before = new Set(from.releases.map(({ bundle }) => bundle));
  for (const release of [...to.releases, ...from.releases]) {
    const { name, bundle: id } = release;
    if (bundles.has(id)) continue;
    try {
      bundles.set(id, bundleAsDeployed(release, (await loadRelease(site, id)).bundle));
    } catch (error) {
      if (!(error instanceof StowageError) || !before.has(id)) throw error;
      const { message, hint } = error;
      emit({
        type: 'warning',
        message: `what release ${name} requires is unknown: ${message}`,
        hint,
      });
    }
  }
  return bundles;
}

/** A release with the optional parts that `site.yaml` chooses, as far as they are at the site. */
async function render(
  release: Release,
  settings: Site,
  context: SiteContext,
): Promise<DeployedRelease> {
  const { site } = context;
  const signed = signedBundle(release);
  if (optionalParts(signed).length === 0) return renderWhole(release, settings, context);
  const chosen = { with: [...(await chosenBySite(site, signed))].toSorted() };
  const { id, bundle } = release;
  const own = { id, bundle: bundleAsDeployed(chosen, bundle) };
  return { ...(await renderWhole(own, settings, context)), ...chosen };
}

async function renderWhole(
  release: Release,
  settings: Site,
  context: SiteContext,
): Promise<DeployedRelease> {
  const { site, target, env = {} } = context;
  const { bundle, id } = release;
  const applies = target.appliesObjects === true && hasObjects(bundle);
  if (!target.runsServices || (bundle.services.length === 0 && !applies))
    return renderServed(release);
  const own = target.ownSecrets?.(settings) ?? new Map();
  const ownSecrets = [...own.keys()];
  const known = withOwnSecrets(settings, bundle.name, own);
  await requireValues(bundle, settings, context);
  return renderRelease(release, {
    ...{ settings, target, ownSecrets },
    siteId: await site.id(),
    files: layoutFolder(site, id),
    platform: hostPlatform(),
    templates: await readTemplates(site, bundle),
    secretNames: await secretNames(bundle, site, known, { env, own: ownSecrets }),
    ...(target.mountsImages === true
      ? { cars: await carDigests(site, bundle), contents: await readFiles(site, bundle) }
      : {}),
    ...(applies ? { objects: await readObjects(site, bundle) } : {}),
  });
}
