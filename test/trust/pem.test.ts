import { describe, expect, it } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import { decodePem, encodePem, type PemBlock } from '../../src/trust/pem.ts';
import { expectCode } from '../support/error.ts';

const decode = (text: string): PemBlock[] =>
  decodePem(text, (defect) => new StowageError('key-invalid', defect, { hint: 'ask again' }));
const block = (body: string): string => `-----BEGIN X-----\n${body}\n-----END X-----\n`;

describe('when bytes are written as PEM', () => {
  it.each([1, 47, 48, 49, 96, 1000])('gives %i bytes back', (length) => {
    const bytes = Buffer.alloc(length, 7);
    const text = encodePem('X', bytes);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(64);
    expect(decode(text)).toEqual([{ label: 'X', bytes }]);
  });
});

describe('when PEM is read', () => {
  it('finds no block in other text', () => {
    expect(decode('')).toEqual([]);
    expect(decode('-----BEGIN x-----\nMAA=\n')).toEqual([]);
    expect(decode('see -----BEGIN X-----\nMAA=\n')).toEqual([]);
    expect(decode('-----BEGIN X----- and on\nMAA=\n')).toEqual([]);
  });

  it.each([
    ['no bytes', ''],
    ['stray bits', 'MAB='],
    ['missing padding', 'MAA'],
    ['letters of another alphabet', 'MA-_'],
    ['a header', 'Proc-Type: 4,ENCRYPTED\n\nMAA='],
    ['another block inside', '-----BEGIN Y-----\nMAA='],
  ])('refuses a block with %s', async (_, body) => {
    await expectCode(() => decode(block(body)), 'key-invalid');
  });

  it('refuses a block that does not end, or ends as another', async () => {
    await expectCode(() => decode('-----BEGIN X-----\nMAA=\n'), 'key-invalid');
    await expectCode(() => decode('-----BEGIN X-----\nMAA=\n-----END Y-----\n'), 'key-invalid');
  });
});
