import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { forEachBounded, mapBounded } from '../../src/io/queue.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('when work is queued', () => {
  it.each([
    [0, 3],
    [1, 3],
    [2, 3],
    [3, 3],
    [10, 3],
    [10, 1],
  ])('does %i items, at most %i at once, in order', async (count, width) => {
    const begun: number[] = [];
    let busy = 0;
    let most = 0;
    await forEachBounded(upTo(count), width, async (item) => {
      begun.push(item);
      most = Math.max(most, ++busy);
      await turn();
      busy--;
    });
    expect(begun).toEqual(upTo(count));
    expect(most).toBe(Math.min(count, width));
  });

  it('starts nothing after the first error, and throws it when the rest has ended', async () => {
    const ended: number[] = [];
    const begun: number[] = [];
    const run = forEachBounded(upTo(10), 3, async (item) => {
      begun.push(item);
      await turn();
      if (item === 1) throw new Error('first');
      await turn();
      await turn();
      ended.push(item);
      if (item === 2) throw new Error('second');
    });
    await expect(run).rejects.toThrow('first');
    expect(ended).toEqual([0, 2]);
    expect(begun).toEqual([0, 1, 2]);
  });

  it('throws even undefined', async () => {
    await expect(forEachBounded([1], 1, () => Promise.reject(undefined))).rejects.toBeUndefined();
  });
});

describe('when queued work has results', () => {
  it.each([0, 1, 2, 3, 4, 100])('gives those of %i items in their order', async (count) => {
    const results = await mapBounded(upTo(count), 3, async (item) => {
      for (let turns = count - item; turns > 0; turns -= 7) await turn();
      return item * 2;
    });
    expect(results).toEqual(upTo(count).map((item) => item * 2));
  });

  it('starts nothing after the first error', async () => {
    const begun: number[] = [];
    const run = mapBounded(upTo(10), 2, async (item) => {
      begun.push(item);
      await turn();
      throw new Error(`at ${item}`);
    });
    await expect(run).rejects.toThrow('at 0');
    expect(begun).toEqual([0, 1]);
  });
});
