import type { Context } from '../core/event.ts';
import { startDepot } from '../depot/server.ts';
import type { Operation, Plan } from '../format/plan.ts';
import type { GateResult } from '../format/receipt.ts';
import type { Target } from '../target/target.ts';
import { catalogOf } from './catalog.ts';
import { gateService } from './gate.ts';
import { forgetGeneration, switchTo } from './generations.ts';
import { placeLayout, removeLayout } from './layout.ts';
import { imageOf, releaseOf, serviceOf } from './plan.ts';
import type { SiteFolder } from './site-folder.ts';

/** What carrying out a plan needs besides the plan. */
export interface Workshop extends Context {
  readonly site: SiteFolder;
  readonly target: Target;
  /** Hears of every gate check as it ends. */
  readonly keep: (result: GateResult) => void;
}

/** Carries out one operation of a plan. Each may be carried out again after it was killed at any point. */
export async function carryOut(
  operation: Operation,
  plan: Plan,
  workshop: Workshop,
): Promise<void> {
  const { site, target, signal } = workshop;
  switch (operation.action) {
    case 'place-files':
      return placeLayout(site, releaseOf(plan, operation).bundle);
    case 'remove-files':
      return removeLayout(site, releaseOf(plan, operation).bundle);
    case 'load-image':
      return loadImage(operation, plan, workshop);
    case 'unload-image':
      return target.unloadImage(imageOf(plan, operation), signal);
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
    case 'switch-generation':
      await switchTo(site, plan[operation.side]);
      if (operation.side === 'from' && plan.intent !== 'rollback')
        await forgetGeneration(site, plan.to.number);
  }
}

/** Hands an image to the engine by digest, through a depot that lives for this one pull, on loopback. */
async function loadImage(
  operation: Operation,
  plan: Plan,
  { site, target, signal }: Workshop,
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
