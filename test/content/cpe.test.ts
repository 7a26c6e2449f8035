import { describe, expect, it } from 'vitest';
import { cpeOf } from '../../src/content/cpe.ts';

describe('when a package has a name in the National Vulnerability Database', () => {
  it.each([
    ['pkg:generic/node@24.21.0', 'cpe:2.3:a:nodejs:node.js:24.21.0:*:*:*:*:*:*:*'],
    ['pkg:generic/node@25.0.0-rc.1', undefined],
    ['pkg:generic/node@24.21.0:*', undefined],
    ['pkg:generic/nodes@24.21.0', undefined],
    ['pkg:npm/node@24.21.0', undefined],
    ['pkg:generic/node', undefined],
  ])('has %s as %s', (purl, cpe) => {
    expect(cpeOf(purl)).toEqual(cpe === undefined ? {} : { cpe });
  });
});
