import { runInNewContext } from 'node:vm';

/**
 * Runs a computation of one thread that somebody else's text may make endless, such as a regular expression that
 * backtracks.
 * @returns undefined when it did not end in time
 */
export function withinTime<T>(milliseconds: number, compute: () => T): { value: T } | undefined {
  let value: { value: T } | undefined;
  const once = (): void => {
    value = { value: compute() };
  };
  try {
    runInNewContext('once()', { once }, { timeout: milliseconds });
  } catch (error) {
    if (isTimeout(error)) return undefined;
    throw error;
  }
  return value;
}

function isTimeout(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
}
