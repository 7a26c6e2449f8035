import { describe, expect, it } from 'vitest';
import { recallOf } from '../../../src/bundle/admission/recall.ts';
import type { Recall } from '../../../src/format/deployment.ts';

const recall = (versions: string, release = 'chat'): Recall => ({
  release,
  versions,
  reason: 'it leaks',
});

describe('when a release is held against recalls', () => {
  const cases: readonly [string, string, boolean][] = [
    ['1.2.0', '1.2.0', true],
    ['1.2.0', '>=1.2.0 <1.2.4', true],
    ['1.2.4', '>=1.2.0 <1.2.4', false],
    ['1.2.4-rc.1', '>=1.2.0 <1.2.4', true],
    ['2.0.0', '<=1.9.9', false],
    ['2.0.0', '*', true],
  ];
  it.each(cases)('%s under %s: %s', (version, versions, expected) => {
    expect(recallOf({ name: 'chat', version }, [recall(versions)]) !== undefined).toBe(expected);
  });

  it('leaves another release alone', () => {
    expect(recallOf({ name: 'chat', version: '1.0.0' }, [recall('*', 'other')])).toBeUndefined();
  });
});
