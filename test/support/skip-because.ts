import type { TestContext } from 'vitest';

/** Ends a test as skipped where the machine lacks something. `scripts/count-tests.mjs` prints the reason. */
export function skipBecause({ skip, task }: TestContext, reason: string): never {
  Object.assign(task.meta, { reason });
  return skip(reason);
}
