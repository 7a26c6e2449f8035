import { canonicalJson, type Json } from '../core/canonical-json.ts';
import type {
  DeployedRelease,
  Generation,
  RenderedImage,
  RenderedService,
} from '../format/generation.ts';
import type { Action, Constraint, Operation, Plan, Side, Step } from '../format/plan.ts';

export interface PlanInput {
  readonly intent: Plan['intent'];
  readonly site: string;
  readonly from: Generation;
  readonly to: Generation;
  readonly constraints: readonly Constraint[];
}

/**
 * The steps from one generation to another, each with its inverse. Pure: touches nothing and asks nobody.
 * What can be made ready beside the old services comes first; they stop only when all is there; what only the
 * old generation needed goes last, when the new one has proved itself, and only if it leaves the site for good.
 */
export function makePlan(input: PlanInput): Plan {
  const { intent, from, to } = input;
  const arriving = to.releases.filter(
    (release) => !from.releases.some((each) => same(each, release)),
  );
  const leaving = from.releases.filter(
    (release) => !to.releases.some((each) => same(each, release)),
  );
  const steps = new Steps();
  for (const release of arriving) {
    // Two generations of one bundle read the same files: undoing must leave them to the old one.
    const shared = from.releases.some((each) => each.bundle === release.bundle);
    steps.add(
      'place-files',
      'to',
      release,
      release.bundle,
      shared ? undefined : 'remove-files',
      'the models and files that its services read',
    );
    for (const image of imagesOf(release)) {
      const undo = hasImage(from, image) ? undefined : 'unload-image';
      steps.add('load-image', 'to', release, image.tag, undo, 'the engine runs only what it has');
    }
  }
  for (const release of leaving) {
    for (const service of release.services.toReversed()) {
      steps.add(
        'stop-service',
        'from',
        release,
        service.name,
        'start-service',
        'its release is replaced or removed',
      );
    }
  }
  for (const release of arriving) {
    for (const service of release.services) {
      steps.add(
        'start-service',
        'to',
        release,
        service.name,
        'stop-service',
        'the new release needs it',
      );
    }
  }
  for (const release of arriving) {
    for (const service of release.services) {
      steps.add(
        'gate-service',
        'to',
        release,
        service.name,
        undefined,
        'it is kept only if it answers',
      );
    }
  }
  if (arriving.length > 0 || leaving.length > 0) {
    steps.add(
      'switch-generation',
      'to',
      undefined,
      '',
      'switch-generation',
      `generation ${to.number} is kept`,
    );
  }
  if (intent === 'uninstall') for (const release of leaving) clear(steps, release, to);
  return { schema: 'stowage/plan/v1', ...input, steps: steps.list };
}

/** The service that an operation is about. */
export function serviceOf(plan: Plan, operation: Operation): RenderedService {
  const service = releaseOf(plan, operation).services.find(
    (each) => each.name === operation.subject,
  );
  if (service === undefined)
    throw new Error(`the plan names an unknown service ${operation.subject}`);
  return service;
}

/** The image that an operation is about. */
export function imageOf(plan: Plan, operation: Operation): RenderedImage {
  const image = imagesOf(releaseOf(plan, operation)).find((each) => each.tag === operation.subject);
  if (image === undefined) throw new Error(`the plan names an unknown image ${operation.subject}`);
  return image;
}

/** The release that an operation is about. */
export function releaseOf(plan: Plan, operation: Operation): DeployedRelease {
  const release = plan[operation.side].releases.find((each) => each.name === operation.release);
  if (release === undefined)
    throw new Error(`the plan names an unknown release ${operation.release}`);
  return release;
}

function clear(steps: Steps, release: DeployedRelease, to: Generation): void {
  for (const image of imagesOf(release)) {
    if (hasImage(to, image)) continue;
    steps.add(
      'unload-image',
      'from',
      release,
      image.tag,
      'load-image',
      'no release needs it any more',
    );
  }
  steps.add(
    'remove-files',
    'from',
    release,
    release.bundle,
    'place-files',
    'no service reads them any more',
  );
}

class Steps {
  readonly list: Step[] = [];

  add(
    action: Action,
    side: Side,
    release: DeployedRelease | undefined,
    subject: string,
    undo: Action | undefined,
    reason: string,
  ): void {
    const operation = { action, side, release: release?.name ?? '', subject };
    // Undoing a switch means the other generation; undoing anything else means the same thing again.
    const undoSide = action === 'switch-generation' ? 'from' : side;
    this.list.push({
      id: this.list.length + 1,
      do: operation,
      ...(undo === undefined ? {} : { undo: { ...operation, action: undo, side: undoSide } }),
      reason,
    });
  }
}

function same(a: DeployedRelease, b: DeployedRelease): boolean {
  return canonicalJson(a as unknown as Json) === canonicalJson(b as unknown as Json);
}

function imagesOf(release: DeployedRelease): RenderedImage[] {
  const images = new Map(release.services.map((service) => [service.image.tag, service.image]));
  return [...images.values()];
}

function hasImage(generation: Generation, image: RenderedImage): boolean {
  return generation.releases.some((release) =>
    imagesOf(release).some((each) => each.tag === image.tag),
  );
}
