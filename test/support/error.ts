import { expect } from 'vitest';
import { type ErrorCode, StowageError } from '../../src/core/error.ts';

/** Asserts that an error says what to do, with every placeholder filled, and not only what its message says. */
export function expectFilled({ hint, message, expected = '', found = '' }: StowageError): void {
  expect(hint).not.toBe('');
  expect([message, expected, found]).not.toContain(hint);
  // Those of manifests are quoted as they are.
  expect(hint).not.toMatch(/\$\{(?!parameters\.)|\bundefined\b|\[object /);
}

/** Asserts that this fails with the code and a hint, and gives the error for closer looks. */
export async function expectCode(run: () => unknown, code: ErrorCode): Promise<StowageError> {
  let result: unknown;
  try {
    result = await run();
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    expect(error.code).toBe(code);
    expectFilled(error);
    return error;
  }
  throw new Error(`expected ${code}, and it gave ${JSON.stringify(result)}`);
}
