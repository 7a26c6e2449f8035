import {
  type Constraint,
  type DeployedRelease,
  type Generation,
  type Operation,
  type Plan,
  planSchema,
  type SiteAction,
  type Step,
} from '../../format/plan.ts';
import { type Change, changesBetween, repairedReleases } from '../../target/change.ts';
import type { DeployedService, ServiceStep, Target, TargetStep } from '../../target/target.ts';
import { outageOf } from './outage.ts';

/** The pure methods of a target, which plans are made with. */
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
 * The steps from one generation to another, each with its inverse. Pure.
 * Preparations come first, while the old services run. What only the old generation uses is removed last, after the new
 * one passed its gates, and only if a release is uninstalled.
 */
export function makePlan({ change, target, ...input }: PlanInput): Plan {
  const { intent, from, to } = change;
  const { arriving, leaving } = changesBetween(from, to);
  const { open, prepare, stop, start, expose, retire, clear, close } = target.steps(change);
  const steps = new Steps();
  const starting = [...arriving, ...repairedReleases(change)];
  for (const step of open) steps.add(step);
  for (const release of starting) placeRelease(steps, release, change);
  for (const step of [...prepare, ...stop]) steps.add(step);
  startAndGate(steps, { starting, start, target });
  for (const step of expose) steps.add(step);
  if (arriving.length > 0 || leaving.length > 0) {
    steps.site({
      ...{ action: 'switch-generation', side: 'to', release: '', subject: '' },
      ...{ undo: 'switch-generation', undoSide: 'from' },
      reason: `generation ${to.number} becomes current`,
    });
  }
  for (const step of retire) steps.add(step);
  if (intent === 'uninstall') {
    for (const step of clear) steps.add(step);
    for (const release of leaving) removeRelease(steps, release, to);
    for (const step of close) steps.add(step);
  }
  return {
    schema: planSchema(from, to),
    ...{ ...input, intent, from, to },
    outage: outageOf({ change, stop }, target),
    steps: steps.list,
  };
}

/** The release of an operation. */
export function releaseOf(plan: Plan, operation: Operation): DeployedRelease {
  const release = plan[operation.side].releases.find((each) => each.name === operation.release);
  if (release === undefined)
    throw new Error(`the plan names an unknown release ${operation.release}`);
  return release;
}

/** Secrets, models and files of a release whose services start. */
function placeRelease(steps: Steps, release: DeployedRelease, { intent, from }: Change): void {
  // A failed rollback must not remove what a kept generation uses.
  const isRollback = intent === 'rollback';
  const about = { side: 'to', release: release.name } as const;
  for (const { name } of release.secrets) {
    steps.site({
      ...{ ...about, action: 'place-secret', subject: name },
      ...(isRollback || hasSecret(from, name) ? {} : { undo: 'remove-secret' }),
      reason: 'services read it as a file',
    });
  }
  // Generations of one bundle share its files: undoing must not remove them.
  const shared = isRollback || from.releases.some((each) => each.bundle === release.bundle);
  steps.site({
    ...{ ...about, action: 'place-files', subject: release.bundle },
    ...(shared ? {} : { undo: 'remove-files' }),
    reason: 'models and files that services read',
  });
}

function removeRelease(steps: Steps, release: DeployedRelease, to: Generation): void {
  const about = { side: 'from', release: release.name } as const;
  for (const { name } of release.secrets) {
    if (hasSecret(to, name)) continue;
    steps.site({
      ...{ ...about, action: 'remove-secret', subject: name, undo: 'place-secret' },
      reason: 'no service reads it anymore',
    });
  }
  steps.site({
    ...{ ...about, action: 'remove-files', subject: release.bundle, undo: 'place-files' },
    reason: 'no service reads them anymore',
  });
}

interface Starting {
  readonly starting: readonly DeployedRelease[];
  readonly start: readonly ServiceStep[];
  readonly target: PlanningTarget;
}

/** A service is gated before its dependents start, and one without dependents after all services started. */
function startAndGate(steps: Steps, { starting, start, target }: Starting): void {
  const later: (() => void)[] = [];
  for (const release of starting) {
    const services = target.services(release);
    for (const step of start.filter((each) => each.release === release.name)) {
      steps.add(step);
      const gate = (): void =>
        steps.site({
          ...{ action: 'gate-service', side: 'to', release: release.name, subject: step.service },
          reason: 'the generation is kept only if it passes',
        });
      if (hasDependents(services, step.service)) gate();
      else later.push(gate);
    }
    if (services.length > 0) continue;
    later.push(() =>
      steps.site({
        ...{ action: 'gate-release', side: 'to', release: release.name, subject: '' },
        reason: 'the release has no services, only content to serve',
      }),
    );
  }
  for (const gate of later) gate();
}

/** Whether another service of the release depends on this one. */
function hasDependents(services: readonly DeployedService[], name: string): boolean {
  return services.some((each) => each.dependsOn.includes(name));
}

class Steps {
  readonly list: Step[] = [];

  /** Adds a step of the site itself. */
  site(
    step: Omit<TargetStep, 'action' | 'undo'> & { action: SiteAction; undo?: SiteAction },
  ): void {
    this.add(step);
  }

  add({
    action,
    undo,
    undoSide,
    reason,
    service,
    ...about
  }: TargetStep & { service?: string }): void {
    const undone = { ...about, side: undoSide ?? about.side };
    this.list.push({
      id: this.list.length + 1,
      do: { ...about, action },
      ...(undo === undefined ? {} : { undo: { ...undone, action: undo } }),
      ...(service === undefined ? {} : { service }),
      reason,
    });
  }
}

function hasSecret({ releases }: Generation, name: string): boolean {
  return releases.some((release) => release.secrets.some((each) => each.name === name));
}
