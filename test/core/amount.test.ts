import { describe, expect, it } from 'vitest';
import { counted, exactBytes, formatBytes, formatDuration } from '../../src/core/amount.ts';

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

  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1000, '1.0 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min 0 s'],
    [253_000, '4 min 13 s'],
    [3_599_499, '59 min 59 s'],
    [3_600_000, '1 h 0 min'],
    [7_500_000, '2 h 5 min'],
  ])('says how long %i ms are', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
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
