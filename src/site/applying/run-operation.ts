import type { Context } from '../../core/context.ts';
import { startDepot } from '../../depot/server.ts';
import {
  type DeployedRelease,
  type KeptSecret,
  type Operation,
  type Plan,
  type SiteAction,
  siteActions,
} from '../../format/plan.ts';
import type { GateResult } from '../../format/receipt.ts';
import type { SiteSupply, Target } from '../../target/target.ts';
import { catalogOf } from '../catalog/catalog.ts';
import { gateEvaluations } from '../evaluation/evaluate.ts';
import { type GatedDepot, gateRelease } from '../gate/gate-release.ts';
import { gateService } from '../gate/gate-service.ts';
import { forgetGeneration, switchTo } from '../generations.ts';
import { releaseOf } from '../planning/plan.ts';
import { keptName, readSecret, secretChanged, withOwnSecrets } from '../planning/secrets.ts';
import { placeLayout, removeLayout } from '../release/layout.ts';
import type { SiteFolder } from '../site-folder.ts';

/** The context of a plan that is executed. */
export interface ApplyContext extends Context {
  readonly site: SiteFolder;
  readonly target: Target;
  /** The variables of this process, for secrets that `site.yaml` finds there. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Called with the result of each gate check. */
  readonly keep: (result: GateResult) => void;
}

/** Runs one operation of a plan. Each can be repeated after it was killed at any point. */
export async function runOperation(
  operation: Operation,
  plan: Plan,
  context: ApplyContext,
): Promise<void> {
  const { action, subject } = operation;
  const { site, target, signal, keep } = context;
  if (action === 'switch-generation') return switchGeneration(operation, plan, site);
  const release = releaseOf(plan, operation);
  if (!isSiteAction(action)) {
    const counterpart = counterpartOf(operation, plan);
    const about = { action, release, subject };
    const its = counterpart === undefined ? about : { ...about, counterpart };
    return target.run(its, supplyOf(context), signal);
  }
  switch (action) {
    case 'place-files':
      return placeLayout(release, context);
    case 'remove-files':
      return removeLayout(site, release.bundle);
    case 'place-secret':
      return placeSecret(secretOf(release, subject), release, context);
    case 'remove-secret':
      return target.removeSecret({ release, name: subject }, signal);
    case 'gate-service':
      await gateService({ release, service: subject }, context);
      return gateEvaluations(
        { release, service: subject },
        { ...context, generation: plan[operation.side].number },
      );
    case 'gate-release':
      return withDepot(site, release, (depot) =>
        gateRelease(release, { depot, site, signal, keep }),
      );
  }
}

/** The release of the same name in the other generation, which a repair does not have. */
function counterpartOf({ side, release }: Operation, plan: Plan): DeployedRelease | undefined {
  if (plan.from.number === plan.to.number) return undefined;
  return plan[side === 'to' ? 'from' : 'to'].releases.find((each) => each.name === release);
}

function isSiteAction(action: string): action is Exclude<SiteAction, 'switch-generation'> {
  return siteActions.some((each) => each === action);
}

async function switchGeneration({ side }: Operation, plan: Plan, site: SiteFolder): Promise<void> {
  await switchTo(site, plan[side]);
  if (side === 'from' && plan.intent !== 'rollback') await forgetGeneration(site, plan.to.number);
}

function secretOf(release: DeployedRelease, name: string): KeptSecret {
  const secret = release.secrets.find((each) => each.name === name);
  if (secret === undefined) throw new Error(`the plan names an unknown secret ${name}`);
  return secret;
}

/** If the value of a secret changed since the plan was made, the plan must be made again. */
async function placeSecret(
  { name, secret }: KeptSecret,
  release: DeployedRelease,
  { site, target, signal, env }: ApplyContext,
): Promise<void> {
  if (await target.hasSecret({ release, name }, signal)) return;
  const settings = await site.writtenSettings();
  const known = withOwnSecrets(settings, release.name, target.ownSecrets?.(settings) ?? new Map());
  const value = await readSecret(known, release.name, secret, env ?? {});
  if ((await keptName(site, release.name, secret, value)) !== name)
    throw secretChanged(release.name, secret);
  await target.placeSecret({ release, name }, value, signal);
}

/** The target pulls images by digest from a depot on loopback that runs only during one pull. */
function supplyOf({ site, emit }: ApplyContext): SiteSupply {
  return {
    withDepot: (release, work) => withDepot(site, release, ({ host }) => work(host)),
    warn: (message, hint) => emit({ type: 'warning', message, hint }),
    progress: (subject) => emit({ type: 'step', step: 'wait for', subject }),
  };
}

/** Serves one release to this host while the work runs. */
async function withDepot(
  site: SiteFolder,
  { bundle }: Pick<DeployedRelease, 'bundle'>,
  work: (depot: GatedDepot) => Promise<void>,
): Promise<void> {
  const catalog = await catalogOf(site, [bundle]);
  const { host, close } = await startDepot(catalog, { address: '127.0.0.1', port: 0 });
  try {
    await work({ catalog, host });
  } finally {
    await close();
  }
}
