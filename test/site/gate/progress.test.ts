import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/core/limits.ts';
import { Progress } from '../../../src/site/gate/progress.ts';
import type { ResourceUse } from '../../../src/target/target.ts';

const LOADING = 'status 503 {"error":{"message":"Loading model"}}';

/** Which of these sights show something new. */
const progress = (
  ...sights: readonly { answer?: string; log?: string; use?: ResourceUse }[]
): boolean[] => {
  const watched = new Progress('/health');
  return sights.map((each, index) =>
    watched.observe({ answer: LOADING, at: index * 2000, ...each }),
  );
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
    [
      'a container whose use is unknown',
      [{}, { use: { unknown: 'shared' } }, { use: { unknown: 'shared' } }],
      [false, false, false],
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
    [
      'the clock of llama-server, which begins at its start',
      [
        { log: '0.00.057.383 I srv  load_model: loading' },
        { log: '0.02.061.001 I srv  load_model: loading' },
        { log: '0.02.061.001 I srv  load_model: loaded' },
      ],
      [false, false, true],
    ],
    [
      'bytes that it reads',
      [{ use: { readBytes: 0 } }, { use: { readBytes: MIB } }, { use: { readBytes: 2 * MIB - 1 } }],
      [false, true, false],
    ],
    [
      'the first bytes from a device',
      [{ use: {} }, { use: { readBytes: MIB - 1 } }, { use: { readBytes: MIB } }],
      [false, false, true],
    ],
    [
      'small reads that add up',
      [{ use: { readBytes: 0 } }, { use: { readBytes: MIB - 1 } }, { use: { readBytes: MIB } }],
      [false, false, true],
    ],
    [
      'processor time',
      [{ use: { cpuSeconds: 5 } }, { use: { cpuSeconds: 5.2 } }, { use: { cpuSeconds: 5.39 } }],
      [false, true, false],
    ],
    [
      'memory, once',
      [
        { use: { memoryBytes: 0 } },
        { use: { memoryBytes: 9 * MIB } },
        { use: { memoryBytes: 2 * MIB } },
        { use: { memoryBytes: 9 * MIB } },
      ],
      [false, true, false, false],
    ],
    ['counters that cannot be read', [{ use: {} }, {}, { use: {} }], [false, false, false]],
    ['blank lines', [{ log: 'a' }, { log: 'a\n\n  \n' }], [false, false]],
  ])('%s', (_, sights, expected) => {
    expect(progress(...sights)).toEqual(expected);
  });
});
