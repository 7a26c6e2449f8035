import { describe, expect, it } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import { prefixing } from '../../src/trust/signature-file.ts';
import { expectCode } from '../support/error.ts';

describe('when the message of an error is prefixed', () => {
  it('keeps its other fields', async () => {
    const cause = new Error('disk');
    const details = { expected: 'a', found: 'b', hint: 'c', defects: ['d'], cause };
    const error = new StowageError('signature-invalid', 'it does not hold', details);
    const prefixed = await expectCode(
      () =>
        prefixing('"x.p7s"', () => {
          throw error;
        }),
      'signature-invalid',
    );
    expect(prefixed.message).toBe('"x.p7s": it does not hold');
    expect(prefixed).toMatchObject(details);
  });

  it('does not change a bug', () => {
    const defect = new TypeError('x is not a function');
    expect(() =>
      prefixing('"x.p7s"', () => {
        throw defect;
      }),
    ).toThrow(defect);
  });

  it('returns the result', () => {
    expect(prefixing('"x.p7s"', () => 1)).toBe(1);
  });
});
