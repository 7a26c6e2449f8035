import { describe, expect, it } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import {
  type ErrorCode,
  errorCodes,
  errorTable,
  exitStatus,
  exitStatusOf,
  statusMeanings,
} from '../../src/core/error-table.ts';

const codes: readonly ErrorCode[] = Object.values(errorCodes).flat();

describe('when the program ends with an error', () => {
  it('has each code once', () => {
    expect(new Set(codes).size).toBe(codes.length);
  });

  it('has codes under every status but those of results, and no status twice', () => {
    expect(Object.keys(errorCodes)).toEqual(Object.keys(exitStatus));
    expect(Object.values(exitStatus)).toEqual([1, 2, 3, 4, 5, 6, 10, 11, 12, 130]);
    const empty = Object.entries(errorCodes).filter(([, listed]) => listed.length === 0);
    expect(empty.map(([name]) => name)).toEqual(['blocked', 'attention', 'failing']);
  });

  it.each(codes)('writes %s in lower case and gives it a status', (code) => {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(exitStatusOf(code)).toBeGreaterThan(0);
  });

  it.each<[ErrorCode, number]>([
    ['internal', 1],
    ['usage-invalid', 2],
    ['rolled-back', 3],
    ['part-damaged', 10],
    ['site-locked', 11],
    ['host-unfit', 12],
    ['interrupted', 130],
  ])('ends %s with %i', (code, status) => {
    expect(new StowageError(code, 'it failed', { hint: 'try again' }).exitStatus).toBe(status);
  });
});

describe('when every error is explained', () => {
  it('explains each code once, under its exit status', () => {
    expect(errorTable().map((each) => each.code)).toEqual(codes);
    expect(Object.keys(statusMeanings)).toEqual(Object.keys(exitStatus));
  });

  it.each(errorTable())('gives cause and remedy of $code in plain words', ({ cause, remedy }) => {
    for (const text of [cause, remedy]) {
      expect(text).toMatch(/^(?:[a-z]|SHA512SUMS|Ctrl-C)/);
      expect(text).not.toMatch(/\.$|\n|`| {2}/);
      expect(text.length).toBeGreaterThan(10);
      expect(text.length).toBeLessThan(125);
    }
  });

  it.each(errorTable())('never explains how to skip a check: $code', ({ cause, remedy }) => {
    const skipping =
      /--(?:no|accept|skip|force|allow|ignore|insecure)|stowage override|\b(?:skip|bypass|disable|ignore|turn off|without checking)/;
    expect(`${cause}; ${remedy}`).not.toMatch(skipping);
  });
});
