import { canonicalJson, type Json } from '../../core/canonical-json.ts';
import type {
  DeployedRelease,
  Generation,
  KeptSecret,
  RenderedImage,
  RenderedNetwork,
  RenderedService,
} from '../../format/generation.ts';
import type { Action, Constraint, Operation, Plan, Side, Step } from '../../format/plan.ts';
import { outageOf } from './outage.ts';

export interface PlanInput {
  readonly intent: Plan['intent'];
  readonly subject: string;
  readonly site: string;
  readonly madeAt: string;
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
  const { arriving, leaving } = changesBetween(from, to);
  const steps = new Steps();
  // What a kept generation has stays when a return to it fails, as does what runs: undoing takes nothing of either.
  const back = intent === 'rollback';
  for (const release of arriving) {
    for (const { name } of release.secrets) {
      const undo = back || has(from, 'secrets', name) ? undefined : 'remove-secret';
      steps.add('place-secret', 'to', release, name, undo, 'its services read it as a file');
    }
    for (const { name } of release.networks) {
      const undo = back || has(from, 'networks', name) ? undefined : 'remove-network';
      steps.add(
        'create-network',
        'to',
        release,
        name,
        undo,
        'its services reach one another there',
      );
    }
    // Two generations of one bundle read the same files: undoing must leave them to the old one.
    const shared = back || from.releases.some((each) => each.bundle === release.bundle);
    steps.add(
      'place-files',
      'to',
      release,
      release.bundle,
      shared ? undefined : 'remove-files',
      'the models and files that its services read',
    );
    for (const image of imagesOf(release)) {
      const undo = back || hasImage(from, image) ? undefined : 'unload-image';
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
  for (const release of arriving) start(steps, release);
  for (const release of arriving) gate(steps, release, (name) => !awaited(release, name));
  for (const release of arriving) {
    if (release.services.length > 0) continue;
    steps.add('gate-release', 'to', release, '', undefined, 'it runs nothing: it must be served');
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
  const outage = outageOf(leaving, arriving);
  return { schema: 'stowage/plan/v1', ...input, outage, steps: steps.list };
}

/** The releases that one generation runs and the other does not run alike. */
export function changesBetween(
  from: Generation,
  to: Generation,
): { arriving: DeployedRelease[]; leaving: DeployedRelease[] } {
  const lacking = ({ releases }: Generation, other: Generation): DeployedRelease[] =>
    releases.filter((release) => !other.releases.some((each) => same(each, release)));
  return { arriving: lacking(to, from), leaving: lacking(from, to) };
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

/** The network that an operation is about. */
export function networkOf(plan: Plan, operation: Operation): RenderedNetwork {
  const { networks } = releaseOf(plan, operation);
  const network = networks.find((each) => each.name === operation.subject);
  if (network === undefined)
    throw new Error(`the plan names an unknown network ${operation.subject}`);
  return network;
}

/** The secret that an operation is about. */
export function secretOf(plan: Plan, operation: Operation): KeptSecret {
  const { secrets } = releaseOf(plan, operation);
  const secret = secrets.find((each) => each.name === operation.subject);
  if (secret === undefined)
    throw new Error(`the plan names an unknown secret ${operation.subject}`);
  return secret;
}

/** The release that an operation is about. */
export function releaseOf(plan: Plan, operation: Operation): DeployedRelease {
  const release = plan[operation.side].releases.find((each) => each.name === operation.release);
  if (release === undefined)
    throw new Error(`the plan names an unknown release ${operation.release}`);
  return release;
}

/** Each service when those it depends on are ready; what nothing waits for is asked when all have started. */
function start(steps: Steps, release: DeployedRelease): void {
  for (const { name } of release.services) {
    steps.add('start-service', 'to', release, name, 'stop-service', 'the new release needs it');
    if (awaited(release, name)) gate(steps, release, (each) => each === name);
  }
}

function gate(steps: Steps, release: DeployedRelease, which: (name: string) => boolean): void {
  for (const { name } of release.services) {
    if (!which(name)) continue;
    steps.add('gate-service', 'to', release, name, undefined, 'it is kept only if it answers');
  }
}

/** Whether another service of the release waits until this one is ready. */
function awaited({ services }: DeployedRelease, name: string): boolean {
  return services.some((each) => each.dependsOn.includes(name));
}

function clear(steps: Steps, release: DeployedRelease, to: Generation): void {
  for (const { name } of release.networks) {
    if (has(to, 'networks', name)) continue;
    const why = 'no service joins it any more';
    steps.add('remove-network', 'from', release, name, 'create-network', why);
  }
  for (const { name } of release.secrets) {
    if (has(to, 'secrets', name)) continue;
    const why = 'no service reads it any more';
    steps.add('remove-secret', 'from', release, name, 'place-secret', why);
  }
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

function has(generation: Generation, what: 'networks' | 'secrets', name: string): boolean {
  return generation.releases.some((release) => release[what].some((each) => each.name === name));
}

function hasImage(generation: Generation, image: RenderedImage): boolean {
  return generation.releases.some((release) =>
    imagesOf(release).some((each) => each.tag === image.tag),
  );
}
