import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteQuantity, cpuQuantity, quantity } from '../../../src/target/kubernetes/quantity.ts';

// Of k8s.io/apimachinery/pkg/api/resource, whose canonical form the API server stores.
describe('when an amount is a quantity', () => {
  it.each([
    ['1500m', 1.5],
    ['2', 2],
    ['16Gi', 16 * 2 ** 30],
    ['1e3', 1000],
    ['5M', 5_000_000],
    ['0.5', 0.5],
    ['', 0],
    ['many', 0],
    [undefined, 0],
  ])('reads %s', (text, amount) => {
    expect(quantity(text)).toBe(amount);
  });

  it.each([
    [2 ** 30, '1Gi'],
    [1536 * 2 ** 20, '1536Mi'],
    [1_000_000_000, '1G'],
    [1_500_000_000, '1500M'],
    [65_536, '64Ki'],
    [1001, '1001'],
    [0, '0'],
  ])('writes %s bytes as %s', (bytes, text) => {
    expect(byteQuantity(bytes)).toBe(text);
  });

  it.each([
    [1.5, '1500m'],
    [2, '2'],
    [0.0001, '1m'],
  ])('writes %s processors as %s', (cpus, text) => {
    expect(cpuQuantity(cpus)).toBe(text);
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(quantity(byteQuantity(bytes))).toBe(bytes);
      }),
    );
  });
});
