import type { Context } from '../../core/event.ts';
import { startDepot } from '../../depot/server.ts';
import type { DeployedRelease, KeptSecret } from '../../format/generation.ts';
import type { Operation, Plan } from '../../format/plan.ts';
import type { GateResult } from '../../format/receipt.ts';
import type { Target } from '../../target/target.ts';
import { catalogOf } from '../catalog/catalog.ts';
import { gateRelease } from '../gate/gate-release.ts';
import { gateService } from '../gate/gate-service.ts';
import { forgetGeneration, switchTo } from '../generations.ts';
import { imageOf, networkOf, releaseOf, secretOf, serviceOf } from '../planning/plan.ts';
import { keptName, readSecret, secretChanged } from '../planning/secrets.ts';
import { placeLayout, removeLayout } from '../release/layout.ts';
import type { SiteFolder } from '../site-folder.ts';

/** What carrying out a plan needs besides the plan. */
export interface ApplyContext extends Context {
  readonly site: SiteFolder;
  readonly target: Target;
  /** The variables of this process, for secrets that `site.yaml` finds there. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Hears of every gate check as it ends. */
  readonly keep: (result: GateResult) => void;
}

/** Carries out one operation of a plan. Each may be carried out again after it was killed at any point. */
export async function runOperation(
  operation: Operation,
  plan: Plan,
  workshop: ApplyContext,
): Promise<void> {
  const { site, target, signal } = workshop;
  switch (operation.action) {
    case 'place-files':
      return placeFiles(releaseOf(plan, operation), site);
    case 'remove-files':
      return removeLayout(site, releaseOf(plan, operation).bundle);
    case 'load-image':
      return loadImage(operation, plan, workshop);
    case 'unload-image':
      return target.unloadImage(imageOf(plan, operation), signal);
    case 'place-secret':
      return placeSecret(secretOf(plan, operation), operation.release, workshop);
    case 'remove-secret':
      return target.removeSecret(operation.subject, signal);
    case 'create-network':
      return target.createNetwork(networkOf(plan, operation), signal);
    case 'remove-network':
      return target.removeNetwork(networkOf(plan, operation), signal);
    case 'stop-service':
      return target.stopService(serviceOf(plan, operation), signal);
    case 'start-service':
      return target.startService(serviceOf(plan, operation), signal);
    case 'gate-service':
      return gateService(
        releaseOf(plan, operation),
        serviceOf(plan, operation),
        target,
        workshop,
        workshop.keep,
      );
    case 'gate-release':
      return gateRelease(releaseOf(plan, operation), site, signal, workshop.keep);
    case 'switch-generation':
      await switchTo(site, plan[operation.side]);
      if (operation.side === 'from' && plan.intent !== 'rollback')
        await forgetGeneration(site, plan.to.number);
  }
}

async function placeFiles(release: DeployedRelease, site: SiteFolder): Promise<void> {
  await placeLayout(site, release.bundle, release.texts);
}

/** A secret whose value is another one now was not planned: the plan must be made again. */
async function placeSecret(
  { name, secret }: KeptSecret,
  release: string,
  { site, target, signal, env }: ApplyContext,
): Promise<void> {
  if (await target.hasSecret(name, signal)) return;
  const value = await readSecret(await site.site(), release, secret, env ?? {});
  if ((await keptName(site, release, secret, value)) !== name) throw secretChanged(release, secret);
  await target.placeSecret(name, value, signal);
}

/** Hands an image to the engine by digest, through a depot that lives for this one pull, on loopback. */
async function loadImage(
  operation: Operation,
  plan: Plan,
  { site, target, signal }: ApplyContext,
): Promise<void> {
  const image = imageOf(plan, operation);
  if (await target.hasImage(image, signal)) return;
  const catalog = await catalogOf(site, [releaseOf(plan, operation).bundle]);
  const depot = await startDepot(catalog, { address: '127.0.0.1', port: 0 });
  try {
    await target.loadImage(image, depot.host, signal);
  } finally {
    await depot.close();
  }
}
