import { describe, expect, it } from 'vitest';
import { formatSeconds, parseBytes } from '../../src/cli/units.ts';
import { GIB, KIB, MIB } from '../../src/core/limits.ts';
import { formatBytes } from '../../src/core/text.ts';

describe('when bytes are shown', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [KIB, '1.0 KiB'],
    [MIB - 1, '1024.0 KiB'],
    [MIB, '1.0 MiB'],
    [GIB, '1.00 GiB'],
    [1536 * MIB, '1.50 GiB'],
    [700 * GIB, '700.00 GiB'],
  ])('shows %i as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('when a size is parsed', () => {
  it.each([
    ['1B', 1],
    ['4.7GB', 4_700_000_000],
    ['8.5GB', 8_500_000_000],
    ['1.5GiB', 1_610_612_736],
    ['0.001KiB', 1],
    ['4KiB', 4096],
    ['512MiB', 512 * MIB],
    ['1GiB', GIB],
    ['2TiB', 2048 * GIB],
    ['25GB', 25e9],
    ['1KB', 1000],
    ['3MB', 3e6],
    ['1TB', 1e12],
  ])('reads %s', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    '',
    '0MiB',
    '01MiB',
    '1',
    '1 MiB',
    '1mib',
    '-1MiB',
    '1.GiB',
    '.5GiB',
    '1.2345GiB',
    '1.5B',
    '0.0GB',
    '1,5GB',
    '1e3MiB',
    'MiB',
    '1MiBs',
  ])('rejects %j', (text) => {
    expect(parseBytes(text)).toBeUndefined();
  });
});

describe('when a duration is shown', () => {
  it.each([
    [-1, '0 s'],
    [0.4, '0 s'],
    [59.4, '59 s'],
    [60, '1 min 00 s'],
    [125, '2 min 05 s'],
    [3599, '59 min 59 s'],
    [3600, '1 h 00 min'],
    [360_000, '100 h 00 min'],
  ])('shows %d s as %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });
});
