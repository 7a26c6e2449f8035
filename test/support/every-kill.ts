/** Whether a program is to be killed at every point: `npm run test:every-kill`, which takes long. */
export const EVERY: boolean = process.env['STOWAGE_TEST_EVERY_KILL'] === '1';

/** The points at which it is killed: each third, the first and the last, unless {@link EVERY}. */
export function killPoints<T>(all: readonly T[]): readonly T[] {
  return EVERY ? all : all.filter((_, index) => index % 3 === 0 || index === all.length - 1);
}
