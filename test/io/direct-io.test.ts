import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { GIB } from '../../src/core/limits.ts';
import { exceedsPageCache } from '../../src/io/direct-io.ts';

describe('when content is written that is read again soon', () => {
  it.each([
    [0, 8 * GIB, false],
    [2 * GIB, 8 * GIB, false],
    [2 * GIB + 1, 8 * GIB, true],
  ])('%i bytes with memory of %i exceed the page cache: %s', (bytes, memory, exceeds) => {
    expect(exceedsPageCache(bytes, memory)).toBe(exceeds);
  });

  it('knows the memory of this machine', () => {
    expect([exceedsPageCache(1), exceedsPageCache(totalmem())]).toEqual([false, true]);
  });
});
