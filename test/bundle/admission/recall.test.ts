import { describe, expect, it } from 'vitest';
import { recallOf, strategyAgainst } from '../../../src/bundle/admission/recall.ts';
import type { Recall } from '../../../src/format/deployment.ts';
import type { SiteRecall } from '../../../src/format/ledger.ts';

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

describe('when a recalled release is left for another version', () => {
  const from = { name: 'chat', version: '1.3.0', seq: 3 };
  const to = (version: string, seq: number) => ({ name: 'chat', version, seq });
  const forward = { ...recall('1.3.x'), strategy: 'forward' } as const;
  const back = { ...recall('1.3.x'), strategy: { backTo: '1.2.0' } } as const;
  const cases: readonly [string, number, readonly SiteRecall[], boolean][] = [
    ['1.4.0', 4, [forward], true],
    ['1.2.0', 2, [forward], false],
    ['1.4.0', 4, [back], true],
    ['1.2.0', 2, [back], true],
    ['1.2.1', 2, [back], true],
    ['1.1.9', 1, [back], false],
    ['1.2.0-rc.1', 2, [back], false],
    ['1.2.0', 2, [recall('1.3.x')], true],
    ['1.2.0', 2, [back, forward], false],
    ['1.2.0', 2, [{ ...forward, versions: '1.5.0' }], true],
    ['1.2.0', 2, [{ ...forward, release: 'other' }], true],
  ];
  it.each(cases)('%s, sequence %i, %j: %s', (version, seq, recalls, allowed) => {
    expect(strategyAgainst(from, to(version, seq), recalls) === undefined).toBe(allowed);
  });
});
