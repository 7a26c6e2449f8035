import { messageOf } from '../../src/core/error.ts';
import { say } from './shown.ts';

/** Removes something that a demo made. */
export type Cleanup = () => Promise<unknown> | unknown;

/**
 * Runs a demo and says how long it took. Afterwards, also if it failed, what it made is removed, the last first.
 * @param cleanups the demo adds to them
 */
export async function demonstrate(
  demo: () => Promise<void>,
  cleanups: readonly Cleanup[],
): Promise<void> {
  const began = performance.now();
  try {
    await demo();
    say(`done in ${Math.round((performance.now() - began) / 1000)} s`);
  } catch (error) {
    console.error(`demo: ${messageOf(error)}`);
    process.exitCode = 1;
  } finally {
    for (const cleanup of cleanups.toReversed()) {
      try {
        await cleanup();
      } catch (error) {
        console.error(`demo: clean-up: ${messageOf(error)}`);
        process.exitCode = 1;
      }
    }
  }
}
