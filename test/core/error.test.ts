import { describe, expect, it } from 'vitest';
import {
  type ErrorCode,
  errorCodes,
  errorTable,
  exitStatus,
  exitStatusOf,
  interrupted,
  messageOf,
  StowageError,
  statusMeanings,
  systemCode,
} from '../../src/core/error.ts';

const codes: readonly ErrorCode[] = Object.values(errorCodes).flat();

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

  it.each([
    ['an error', new TypeError('x'), 'x'],
    ['an error without a message', new Error(), ''],
    ['a thrown text', 'x', 'x'],
    ['nothing', undefined, 'undefined'],
  ])('has a message for %s', (_, thrown, message) => {
    expect(messageOf(thrown)).toBe(message);
  });
});

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

describe('when work is interrupted', () => {
  it('returns the reason of the signal if that is a StowageError', () => {
    const reason = new StowageError('source-mismatch', 'other bytes', { hint: 'try again' });
    expect(interrupted(AbortSignal.abort(reason), { message: 'in between' })).toBe(reason);
  });

  it.each([
    ['Node’s own reason', AbortSignal.abort()],
    ['no signal', undefined],
  ])('has its own code for %s', (_, signal) => {
    const cause = new Error('below');
    const error = interrupted(signal, { message: 'interrupted while asking', hint: 'h', cause });
    expect(error).toMatchObject({ code: 'interrupted', hint: 'h', exitStatus: 130 });
    expect(error.message).toBe('interrupted while asking');
    expect(error.cause).toBe(cause);
  });

  it('has a default hint', () => {
    expect(interrupted().hint).toContain('run the same command again');
    expect('cause' in interrupted()).toBe(false);
  });
});
