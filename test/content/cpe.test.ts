import { describe, expect, it } from 'vitest';
import { cpeOf } from '../../src/content/cpe.ts';

describe('when a package has a name in the National Vulnerability Database', () => {
  it.each([
    ['pkg:generic/node@24.21.0', 'cpe:2.3:a:nodejs:node.js:24.21.0:*:*:*:*:*:*:*'],
    ['pkg:golang/stdlib@1.23.1', 'cpe:2.3:a:golang:go:1.23.1:*:*:*:*:*:*:*'],
    ['pkg:golang/stdlib@1.24rc1', undefined],
    ['pkg:golang/stdlib@1.23.1:*', undefined],
    ['pkg:golang/example.com/stdlib@1.23.1', undefined],
    ['pkg:npm/node@24.21.0', undefined],
    ['pkg:generic/node', undefined],
  ])('has %s as %s', (purl, cpe) => {
    expect(cpeOf(purl)).toEqual(cpe === undefined ? {} : { cpe });
  });
});
