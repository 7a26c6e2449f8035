import { describe, it } from 'vitest';
import type { Plan } from '../../../src/format/plan.ts';
import { requireFreshPlan } from '../../../src/site/planning/plan-identity.ts';
import { generation, release, service } from '../../support/deployed.ts';
import { expectCode } from '../../support/error.ts';
import { planned } from '../../support/planned.ts';

const plan = planned({ from: generation(0), to: generation(1, release()) });

describe('when a plan is compared with the same plan made now', () => {
  it('accepts one whose reasons another version of the program words differently', () => {
    const steps = plan.steps.map((step) => ({ ...step, reason: 'in other words' }));
    requireFreshPlan({ ...plan, steps }, plan);
  });

  const [first, ...rest] = plan.steps;
  const later = planned({
    from: generation(0),
    to: generation(1, release({ services: [service({ args: ['--other'] })] })),
  });
  const changed: readonly (readonly [string, Plan])[] = [
    ['a step less', { ...plan, steps: rest }],
    [
      'a step that does something else',
      {
        ...plan,
        steps:
          first === undefined ? [] : [{ ...first, do: { ...first.do, subject: 'x' } }, ...rest],
      },
    ],
    [
      'a step without its inverse',
      { ...plan, steps: plan.steps.map(({ undo: _, ...step }) => step) },
    ],
    ['a service with other arguments', later],
  ];
  it.each(changed)('refuses %s', async (_, now) => {
    await expectCode(() => requireFreshPlan(plan, now), 'plan-stale');
  });
});
