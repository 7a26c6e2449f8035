import { describe, expect, it } from 'vitest';
import { KIB, MIB } from '../../src/core/limits.ts';
import { bufferBytes } from '../../src/depot/pump.ts';

describe('when answers share the memory for buffers', () => {
  it.each([
    [0, 10_000_000, 262_144],
    [0, 100, 100],
    [0, 0, 1],
    [16 * MIB, 10_000_000, 262_144],
    [24 * MIB, 10_000_000, 131_072],
    [31 * MIB, 10_000_000, 16_384],
    [128 * MIB, 10_000_000, 16_384],
  ])('beside %i bytes of others, gives one who sends %i bytes a buffer of %i', (...row) => {
    const [others, wanted, bytes] = row;
    expect(bufferBytes(others, wanted)).toBe(bytes);
  });

  it('never takes more than 32 MiB and the smallest buffers of all, in whatever order they begin', () => {
    let taken = 0;
    for (let answers = 0; answers < 512; answers += 1) taken += 2 * bufferBytes(taken, MIB);
    expect(taken).toBeLessThanOrEqual(32 * MIB + 512 * 2 * 16 * KIB);
  });
});
