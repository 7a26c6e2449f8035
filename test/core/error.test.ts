import { describe, expect, it } from 'vitest';
import { messageOf, StowageError, systemCode } from '../../src/core/error.ts';

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
