import { expect } from 'vitest';
import { type ErrorCode, StowageError } from '../../src/core/error.ts';

/** Asserts that this fails with the code and a hint, and gives the error for closer looks. */
export async function expectCode(run: () => unknown, code: ErrorCode): Promise<StowageError> {
  let result: unknown;
  try {
    result = await run();
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    expect(error.code).toBe(code);
    expect(error.hint).not.toBe('');
    return error;
  }
  throw new Error(`expected ${code}, and it gave ${JSON.stringify(result)}`);
}
