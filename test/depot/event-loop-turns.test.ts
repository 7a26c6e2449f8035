import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  connectionArrived,
  startInTurn,
  turnToContinue,
} from '../../src/depot/event-loop-turns.ts';

const AFTER = 64;
const AT_ONCE = 4;

/** Resolves when everything that waited has gone on. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) await nextTurn();
}

describe('when no connection arrives', () => {
  it('starts an answer at once', () => {
    const started: string[] = [];
    startInTurn({ weight: () => 1, go: () => started.push('a') });
    expect(started).toEqual(['a']);
  });

  it.each([
    [1, 1],
    [AT_ONCE, AT_ONCE],
    [AT_ONCE + 1, 0],
  ])('continues %i long answers at once: %i of them', async (inProgress, expected) => {
    const continued: number[] = [];
    const all = Array.from({ length: inProgress }, (_, index) =>
      turnToContinue(inProgress).then(() => continued.push(index)),
    );
    await Promise.resolve();
    await Promise.resolve();
    expect(continued).toHaveLength(expected);
    await Promise.all(all);
  });

  it('continues a few of many long answers in each turn, in their order', async () => {
    const continued: number[] = [];
    const all = Array.from({ length: 2 * AT_ONCE + 1 }, (_, index) =>
      turnToContinue(2 * AT_ONCE + 1).then(() => continued.push(index)),
    );
    const counts: number[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      await nextTurn();
      counts.push(continued.length);
    }
    await Promise.all(all);
    expect(counts).toEqual([AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 1]);
    expect(continued).toEqual([...continued.keys()]);
  });
});

describe('when connections arrive', () => {
  it('starts answers after them, first those of the peer with the fewest connections, then the newest', async () => {
    const started: string[] = [];
    connectionArrived();
    for (const [name, weight] of [
      ['a', 3],
      ['b', 1],
      ['c', 3],
      ['d', 1],
    ] as const)
      startInTurn({ weight: () => weight, go: () => started.push(name) });
    expect(started).toEqual([]);
    await quiet();
    expect(started).toEqual(['d', 'b', 'c', 'a']);
  });

  it('starts no answer that is no longer wanted', async () => {
    const started: string[] = [];
    connectionArrived();
    for (const name of 'abcdef')
      startInTurn({ weight: () => undefined, go: () => started.push(name) });
    startInTurn({ weight: () => 1, go: () => started.push('g') });
    while (started.length === 0) await nextTurn();
    await quiet();
    expect(started).toEqual(['g']);
  });

  it('weighs an answer when its turn has come', async () => {
    const started: string[] = [];
    let first = 1;
    connectionArrived();
    startInTurn({ weight: () => first, go: () => started.push('a') });
    startInTurn({ weight: () => 2, go: () => started.push('b') });
    first = 3;
    await quiet();
    expect(started).toEqual(['b', 'a']);
  });

  it.each([1, AFTER - 1, AFTER, AFTER + 1, 3 * AFTER])(
    'starts and continues answers although they arrive in each of %i turns',
    async (turns) => {
      const started: number[] = [];
      connectionArrived();
      for (let index = 0; index <= AT_ONCE; index += 1)
        startInTurn({ weight: () => 1, go: () => started.push(index) });
      void turnToContinue(1).then(() => started.push(-1));
      for (let turn = 0; turn < turns; turn += 1) {
        connectionArrived();
        await nextTurn();
      }
      expect(started).toHaveLength(Math.min(Math.floor(turns / AFTER) * AT_ONCE, AT_ONCE + 2));
      await quiet();
      expect(started).toHaveLength(AT_ONCE + 2);
    },
  );
});
