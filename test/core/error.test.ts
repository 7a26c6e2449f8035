import { describe, expect, it } from 'vitest';
import {
  type ErrorCode,
  errorCodes,
  exitStatus,
  exitStatusOf,
  StowageError,
  systemCode,
} from '../../src/core/error.ts';

const codes = Object.values(errorCodes).flat() as ErrorCode[];

describe('when the program ends with an error', () => {
  it('has each code once', () => {
    expect(new Set(codes).size).toBe(codes.length);
  });

  it('has codes under every status, and no status twice', () => {
    expect(Object.keys(errorCodes)).toEqual(Object.keys(exitStatus));
    expect(Object.values(exitStatus)).toEqual([1, 2, 3, 10, 11, 12, 130]);
    for (const listed of Object.values(errorCodes)) expect(listed.length).toBeGreaterThan(0);
  });

  it.each(codes)('says %s in lower case and with a status', (code) => {
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

describe('when an error is made', () => {
  it('carries what it was given', () => {
    const cause = new Error('below');
    const details = { expected: 'a', found: 'b', hint: 'c', defects: ['d'], cause };
    const error = new StowageError('internal', 'it failed', details);
    expect(error).toMatchObject({ ...details, code: 'internal', name: 'StowageError' });
    expect(error.cause).toBe(cause);
  });

  it('has no cause when it was given none', () => {
    const error = new StowageError('internal', 'it failed', { hint: 'c' });
    expect('cause' in error).toBe(false);
    expect(error.defects).toEqual([]);
  });

  it.each([
    ['a system error', Object.assign(new Error('x'), { code: 'ENOSPC' }), 'ENOSPC'],
    ['one of ours', new StowageError('internal', 'x', { hint: 'y' }), undefined],
    ['an error without a code', new Error('x'), undefined],
    ['a code that is a number', Object.assign(new Error('x'), { code: 5 }), undefined],
    ['no error', { code: 'ENOENT' }, undefined],
    ['nothing', undefined, undefined],
  ])('tells the system’s code of %s', (_, error, code) => {
    expect(systemCode(error)).toBe(code);
  });
});
