import { describe, expect, it } from 'vitest';
import { counted, exactBytes, formatBytes } from '../../src/core/amount.ts';

describe('when amounts are formatted', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1_572_864, '1.5 MiB'],
    [1_610_612_736, '1.50 GiB'],
  ])('rounds %i bytes', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [1023, '1023 bytes'],
    [1024, '1.0 KiB (1024 bytes)'],
    [1_610_612_736, '1.50 GiB (1610612736 bytes)'],
  ])('says all of %i bytes where they count', (bytes, text) => {
    expect(exactBytes(bytes)).toBe(text);
  });

  it('counts', () => {
    expect([0, 1, 2].map((count) => counted(count, 'part'))).toEqual([
      ...['0 parts', '1 part', '2 parts'],
    ]);
    expect([1, 2].map((count) => counted(count, 'entry', 'entries'))).toEqual([
      ...['1 entry', '2 entries'],
    ]);
  });
});
