import type { DeployedRelease, Generation } from '../../format/generation.ts';
import type { Constraint, Operation, Plan, SiteAction, Step } from '../../format/plan.ts';
import { type Change, changesBetween } from '../../target/change.ts';
import type { DeployedService, ServiceStep, Target, TargetStep } from '../../target/target.ts';
import { outageOf } from './outage.ts';

/** What of a target a plan is made with: none of it touches anything. */
export type PlanningTarget = Pick<Target, 'steps' | 'services'>;

export interface PlanInput {
  readonly change: Change;
  readonly subject: string;
  readonly site: string;
  readonly madeAt: string;
  readonly constraints: readonly Constraint[];
  readonly target: PlanningTarget;
}

/**
 * The steps from one generation to another, each with its inverse. Pure: touches nothing and asks nobody.
 * What can be made ready beside the old services comes first; they stop only when all is there; what only the
 * old generation needed goes last, when the new one has proved itself, and only if it leaves the site for good.
 */
export function makePlan({ change, target, ...input }: PlanInput): Plan {
  const { intent, from, to } = change;
  const { arriving, leaving } = changesBetween(from, to);
  const { prepare, stop, start, expose, retire, clear } = target.steps(change);
  const steps = new Steps();
  for (const release of arriving) placeRelease(steps, release, change);
  for (const step of [...prepare, ...stop]) steps.add(step);
  startAndGate(steps, { arriving, start, target });
  for (const step of expose) steps.add(step);
  if (arriving.length > 0 || leaving.length > 0) {
    steps.site({
      ...{ action: 'switch-generation', side: 'to', release: '', subject: '' },
      undo: 'switch-generation',
      reason: `generation ${to.number} is kept`,
    });
  }
  for (const step of retire) steps.add(step);
  if (intent === 'uninstall') {
    for (const step of clear) steps.add(step);
    for (const release of leaving) removeRelease(steps, release, to);
  }
  return {
    schema: 'stowage/plan/v2',
    ...{ ...input, intent, from, to },
    outage: outageOf({ stop, leaving, arriving }, target),
    steps: steps.list,
  };
}

/** The release that an operation is about. */
export function releaseOf(plan: Plan, operation: Operation): DeployedRelease {
  const release = plan[operation.side].releases.find((each) => each.name === operation.release);
  if (release === undefined)
    throw new Error(`the plan names an unknown release ${operation.release}`);
  return release;
}

/** Secrets, models and files of an arriving release. */
function placeRelease(steps: Steps, release: DeployedRelease, { intent, from }: Change): void {
  // What a kept generation has stays when a return to it fails, as does what runs: undoing takes nothing of either.
  const back = intent === 'rollback';
  const about = { side: 'to', release: release.name } as const;
  for (const { name } of release.secrets) {
    steps.site({
      ...{ ...about, action: 'place-secret', subject: name },
      ...(back || hasSecret(from, name) ? {} : { undo: 'remove-secret' }),
      reason: 'its services read it as a file',
    });
  }
  // Two generations of one bundle read the same files: undoing must leave them to the old one.
  const shared = back || from.releases.some((each) => each.bundle === release.bundle);
  steps.site({
    ...{ ...about, action: 'place-files', subject: release.bundle },
    ...(shared ? {} : { undo: 'remove-files' }),
    reason: 'the models and files that its services read',
  });
}

function removeRelease(steps: Steps, release: DeployedRelease, to: Generation): void {
  const about = { side: 'from', release: release.name } as const;
  for (const { name } of release.secrets) {
    if (hasSecret(to, name)) continue;
    steps.site({
      ...{ ...about, action: 'remove-secret', subject: name, undo: 'place-secret' },
      reason: 'no service reads it any more',
    });
  }
  steps.site({
    ...{ ...about, action: 'remove-files', subject: release.bundle, undo: 'place-files' },
    reason: 'no service reads them any more',
  });
}

interface Starting {
  readonly arriving: readonly DeployedRelease[];
  readonly start: readonly ServiceStep[];
  readonly target: PlanningTarget;
}

/** Each service is gated before those that depend on it start; what nothing waits for, when all have started. */
function startAndGate(steps: Steps, { arriving, start, target }: Starting): void {
  const later: (() => void)[] = [];
  for (const release of arriving) {
    const services = target.services(release);
    for (const step of start.filter((each) => each.release === release.name)) {
      steps.add(step);
      const gate = (): void =>
        steps.site({
          ...{ action: 'gate-service', side: 'to', release: release.name, subject: step.service },
          reason: 'it is kept only if it answers',
        });
      if (isAwaited(services, step.service)) gate();
      else later.push(gate);
    }
    if (services.length > 0) continue;
    later.push(() =>
      steps.site({
        ...{ action: 'gate-release', side: 'to', release: release.name, subject: '' },
        reason: 'it runs nothing: it must be served',
      }),
    );
  }
  for (const gate of later) gate();
}

/** Whether another service of the release waits until this one is ready. */
function isAwaited(services: readonly DeployedService[], name: string): boolean {
  return services.some((each) => each.dependsOn.includes(name));
}

class Steps {
  readonly list: Step[] = [];

  /** Adds a step that the site does itself. */
  site(
    step: Omit<TargetStep, 'action' | 'undo'> & { action: SiteAction; undo?: SiteAction },
  ): void {
    this.add(step);
  }

  add({ action, undo, reason, service, ...about }: TargetStep & { service?: string }): void {
    // Undoing a switch means the other generation; undoing anything else means the same thing again.
    const side = action === 'switch-generation' ? 'from' : about.side;
    this.list.push({
      id: this.list.length + 1,
      do: { ...about, action },
      ...(undo === undefined ? {} : { undo: { ...about, action: undo, side } }),
      ...(service === undefined ? {} : { service }),
      reason,
    });
  }
}

function hasSecret({ releases }: Generation, name: string): boolean {
  return releases.some((release) => release.secrets.some((each) => each.name === name));
}
