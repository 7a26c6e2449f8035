import { describe, expect, it } from 'vitest';
import { digitsDefect, normalizeFingerprint } from '../../src/core/fingerprint.ts';

describe('when a user enters a fingerprint', () => {
  it.each([
    ['abcdef01', 'abcdef01'],
    ['AB:CD:EF:01', 'abcdef01'],
    [' ab cd\tef 01\n', 'abcdef01'],
    ['SHA256:AB:CD', 'abcd'],
    ['sha-256 abcd', 'abcd'],
    ['', ''],
  ])('reads %j as %j', (typed, expected) => {
    expect(normalizeFingerprint(typed)).toBe(expected);
  });

  it.each([
    ['', '0 digits given, 16 needed'],
    ['a', '1 digit given, 16 needed'],
    ['a'.repeat(15), '15 digits given, 16 needed'],
    ['a'.repeat(16), undefined],
    ['a'.repeat(64), undefined],
    ['a'.repeat(65), '65 digits given, 64 needed'],
    [`${'a'.repeat(15)}g`, '"g" is not a hexadecimal digit'],
    ['yes', '"y" is not a hexadecimal digit'],
  ])('finds in %j: %s', (typed, expected) => {
    expect(digitsDefect(typed, 16, 64)).toBe(expected);
  });
});
