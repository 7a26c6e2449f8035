import { describe, expect, it } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import { interrupted } from '../../src/core/interrupted.ts';

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
