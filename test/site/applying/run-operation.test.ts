import { expect, it } from 'vitest';
import type { Plan } from '../../../src/format/plan.ts';
import { type ApplyContext, runOperation } from '../../../src/site/applying/run-operation.ts';
import type { TargetOperation } from '../../../src/target/target.ts';
import { objectsRelease } from '../../support/objects-release.ts';
import { generationOf } from '../../target/kubernetes/rendered.ts';

const [one, two] = ['1.0.0', '2.0.0'].map((version) => objectsRelease([], { version }).release);

it.each([
  ['an upgrade', 2, two, one],
  // What it started must not be kept because "the other" generation has it too.
  ['a repair', 1, one, undefined],
])('gives the target the release of the other generation: %s', async (_, number, to, other) => {
  if (one === undefined || to === undefined) throw new Error('no release');
  const operations: TargetOperation[] = [];
  const context = {
    target: { run: async (operation: TargetOperation) => void operations.push(operation) },
  } as unknown as ApplyContext;
  const plan = { from: generationOf(1, one), to: generationOf(number, to) } as Plan;
  const operation = { action: 'stop', side: 'to', release: 'gear', subject: 'things' } as const;
  await runOperation(operation, plan, context);
  expect(operations.map(({ counterpart }) => counterpart)).toEqual([other]);
});
