import { describe, expect, it } from 'vitest';
import { bufferBytes } from '../../src/depot/pump.ts';

describe('when answers share the memory for buffers', () => {
  it.each([
    [1, 10_000_000, 262_144],
    [1, 100, 100],
    [1, 0, 1],
    [128, 10_000_000, 262_144],
    [256, 10_000_000, 131_072],
    [2048, 10_000_000, 16_384],
    [10_000, 10_000_000, 16_384],
  ])('gives one of %i who sends %i bytes a buffer of %i', (answers, wanted, bytes) => {
    expect(bufferBytes(answers, wanted)).toBe(bytes);
  });
});
