import { StowageError } from '../core/error.ts';
import { momentOf } from '../format/field.ts';
import type { DeployedRelease, Generation } from '../format/generation.ts';
import type { Intent, Plan } from '../format/plan.ts';
import type { Site } from '../format/site.ts';
import type { ChangeOptions } from './change.ts';
import { checkConstraints } from './constraints/check-constraints.ts';
import { currentGeneration, loadGeneration, nextNumber } from './generations.ts';
import { hostPlatform } from './host.ts';
import { layoutFolder } from './layout.ts';
import { makePlan } from './plan.ts';
import { requireNoneRecalled } from './recall.ts';
import { isNotice, loadRelease, type Release } from './release.ts';
import { renderRelease } from './render.ts';
import { secretNames } from './secrets.ts';
import type { SiteState } from './site-state.ts';
import { readTemplates } from './templates.ts';

/** What a person wants of a site. */
export interface Wish {
  readonly intent: Intent;
  /** A staged bundle's id, the number of a generation, or the name of a release that runs. */
  readonly subject: string;
}

/**
 * The plan from what runs now to what is wanted: looks at the site, its host and its engine, and changes nothing.
 * @param at when the plan is made; the same world at the same moment gives the same plan
 * @throws StowageError `release-unknown`, `generation-unknown`, `release-recalled`, `site-invalid`, `host-unfit`
 */
export async function propose(
  wish: Wish,
  state: SiteState,
  at: Date,
  options: ChangeOptions,
): Promise<Plan> {
  const { site, target, signal } = options;
  const engine = await target.probe(signal);
  const settings = await site.site();
  const from = await currentGeneration(site);
  const madeAt = momentOf(at);
  const common = { ...wish, site: settings.name, madeAt, from };
  if (wish.intent === 'rollback') {
    const to = await loadGeneration(site, Number(wish.subject));
    requireNoneRecalled(to, state.recalls);
    return makePlan({ ...common, to, constraints: [] });
  }
  const others = (name: string): Generation['releases'] =>
    from.releases.filter((each) => each.name !== name);
  const next = async (releases: Generation['releases']): Promise<Generation> => ({
    schema: 'stowage/generation/v1',
    number: await nextNumber(site),
    appliedAt: madeAt,
    releases,
  });
  if (wish.intent === 'uninstall') {
    requireRuns(wish.subject, from);
    return makePlan({ ...common, to: await next(others(wish.subject)), constraints: [] });
  }
  const release = await loadRelease(site, wish.subject);
  const { bundle } = release;
  if (isNotice(bundle)) return makePlan({ ...common, to: from, constraints: [] });
  const wanted = await render(release, settings, options);
  const to = await next([...others(bundle.name), wanted]);
  const question = { bundle, wanted, from, site, settings, state, engine, now: at, signal };
  return makePlan({ ...common, to, constraints: await checkConstraints(question) });
}

function requireRuns(name: string, { releases }: Generation): void {
  if (releases.some((each) => each.name === name)) return;
  throw new StowageError('release-unknown', `release ${name} does not run at this site`, {
    expected: releases.map((each) => each.name).join(', ') || 'no release: nothing is installed',
    found: name,
    hint: 'stowage status names what runs',
  });
}

async function render(
  release: Release,
  settings: Site,
  { site, env = {} }: ChangeOptions,
): Promise<DeployedRelease> {
  const { bundle, id } = release;
  const serves = settings.target === 'depot';
  return renderRelease(release, {
    site: settings,
    files: layoutFolder(site, id),
    platform: hostPlatform(),
    templates: await readTemplates(site, bundle),
    secretNames: serves ? new Map() : await secretNames(bundle, site, settings, env),
  });
}
