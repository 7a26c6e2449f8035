import { randomInt } from 'node:crypto';
import { onTestFailed } from 'vitest';
import { seededRandom } from '../lab/random.ts';

/**
 * Random numbers in [0, 1) for one test: others in each run, or those of STOWAGE_TEST_SEED. A failure prints the seed.
 * Call it within the test.
 */
export function randomOfTest(): () => number {
  const seed = Number(process.env['STOWAGE_TEST_SEED'] ?? randomInt(2 ** 32));
  onTestFailed(({ task }) => {
    console.error(`"${task.name}" used random numbers: repeat it with STOWAGE_TEST_SEED=${seed}`);
  });
  return seededRandom(seed);
}
