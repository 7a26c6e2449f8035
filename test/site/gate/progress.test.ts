import { describe, expect, it } from 'vitest';
import { Progress } from '../../../src/site/gate/progress.ts';

const LOADING = 'status 503 {"error":{"message":"Loading model"}}';

/** Which of these sights show something new. */
const progress = (...sights: readonly { answer?: string; log?: string }[]): boolean[] => {
  const watched = new Progress('/health');
  return sights.map((each) => watched.observe({ answer: LOADING, ...each }));
};

describe('when a service loads', () => {
  it.each([
    ['the same answer', [{}, {}, {}], [false, false, false]],
    ['another answer', [{}, { answer: `${LOADING} 10 %` }, {}], [false, true, false]],
    ['answers in turn', [{}, { answer: 'b' }, {}, { answer: 'b' }], [false, true, false, false]],
    ['a new line', [{ log: 'a' }, { log: 'a\nb' }, { log: 'a\nb' }], [false, true, false]],
    ['the end of a log that moves on', [{ log: 'a\nb' }, { log: 'b\nc' }], [false, true]],
    [
      'a bar that grows',
      [{ log: 'shards: 10% | 1/9' }, { log: 'shards: 20% | 2/9' }],
      [false, true],
    ],
    ['our own questions', [{ log: 'a' }, { log: 'a\n"GET /health HTTP/1.1" 503' }], [false, false]],
    [
      'a heartbeat',
      [
        { log: 'INFO 11-21 10:00:01 waiting for the engine' },
        { log: 'INFO 11-21 10:00:11 waiting for the engine' },
        { log: '2026-11-22 10:00:11.123 INFO 11-21 waiting for the engine' },
      ],
      [false, false, true],
    ],
    ['blank lines', [{ log: 'a' }, { log: 'a\n\n  \n' }], [false, false]],
  ])('%s', (_, sights, expected) => {
    expect(progress(...sights)).toEqual(expected);
  });
});
