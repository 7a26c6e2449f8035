import type { Constraint, Generation, Plan } from '../../src/format/plan.ts';
import { makePlan } from '../../src/site/planning/plan.ts';
import { fakeTarget } from './fake-engine.ts';

export interface Planned {
  readonly from: Generation;
  readonly to: Generation;
  readonly intent?: Plan['intent'];
  readonly subject?: string;
  readonly constraints?: readonly Constraint[];
}

/** The plan of a container target from one generation to another. */
export function planned(values: Planned): Plan {
  const { from, to, intent = 'install', subject = 'chat', constraints = [] } = values;
  return makePlan({
    change: { intent, from, to, bundles: new Map() },
    ...{ subject, constraints, target: fakeTarget() },
    site: 'vault',
    madeAt: '2026-11-21T10:00:00Z',
  });
}
