import { describe, expect, it } from 'vitest';
import { Outages } from '../../../../src/target/kubernetes/api/outages.ts';

describe('when outages are counted', () => {
  it('counts a time once that several requests were held up in', () => {
    const outages = new Outages();
    const now = performance.now();
    outages.failed(now - 5000, 'one');
    outages.failed(now - 3000, 'two');
    expect(outages.total()).toBeGreaterThanOrEqual(5000);
    expect(outages.total()).toBeLessThan(5900);
    expect(outages.reason()).toBe('two');
  });

  it.each([
    [100, 0],
    [2500, 2500],
  ])('takes an answer after %i ms for one that was held up, or not', (took, total) => {
    const outages = new Outages();
    outages.answered(performance.now() - took);
    expect(Math.round(outages.total() / 500) * 500).toBe(total);
  });
});
