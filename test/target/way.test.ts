import { describe, expect, it } from 'vitest';
import { interrupted } from '../../src/core/error.ts';
import { askOver, timeOver, type Way } from '../../src/target/way.ts';
import { expectCode } from '../support/error.ts';

const { signal } = new AbortController();

/** A way that was down for so many milliseconds during each question; the last stays. */
function way(...during: readonly number[]): Way & { readonly asked: () => number } {
  let asked = 0;
  let down = 0;
  return {
    down: () => down,
    reason: () => 'status 502',
    stands: async () => {
      down += during[Math.min(asked, during.length - 1)] ?? 0;
      asked += 1;
    },
    asked: () => asked,
  };
}

describe('when a service is asked over a way', () => {
  it.each<[string, Way | undefined, readonly (string | undefined)[], string | undefined, number]>([
    ['takes the first answer', way(0), ['a'], 'a', 1],
    ['asks once where nothing lies between', undefined, [undefined, 'a'], undefined, 1],
    ['asks once more where the way stood', way(0), [undefined, 'a'], 'a', 2],
    ['believes two silences', way(0), [undefined, undefined, 'a'], undefined, 2],
    ['does not count a silence while it was down', way(5, 0), [undefined, undefined, 'a'], 'a', 3],
    [
      'begins to count again after each outage',
      way(0, 5, 0),
      [undefined, undefined, undefined, 'a'],
      'a',
      4,
    ],
  ])('%s', async (_, over, answers, expected, times) => {
    let asked = 0;
    const ask = async () => {
      asked += 1;
      return answers[asked - 1];
    };
    expect(await askOver(over, ask, signal)).toBe(expected);
    expect(asked).toBe(times);
  });

  it('says why, where the way fails for a minute', async () => {
    const over = way(25_000);
    const error = await expectCode(
      () => askOver(over, async () => undefined, signal),
      'engine-failed',
    );
    expect(error.found).toBe('status 502');
    expect(over.asked()).toBe(3);
  });

  it.each(['the question', 'the way'])('passes on what %s throws', async (thrower) => {
    const fail = async (): Promise<undefined> => {
      throw interrupted();
    };
    const over = thrower === 'the way' ? { ...way(0), stands: fail } : way(0);
    const ask = thrower === 'the way' ? async () => undefined : fail;
    await expectCode(() => askOver(over, ask, signal), 'interrupted');
  });
});

describe('when time is measured over a way', () => {
  it('stands still while the way is down', async () => {
    const over = way(1000);
    const before = timeOver(over);
    await over.stands(signal);
    expect(timeOver(over) - before).toBeLessThan(-900);
    expect(timeOver(undefined)).toBeGreaterThan(timeOver(over) + 900);
  });
});
