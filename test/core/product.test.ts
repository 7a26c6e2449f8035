import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PRODUCT, PRODUCT_VERSION } from '../../src/core/product.ts';

describe('when the program reports its name and version', () => {
  it('agrees with package.json', () => {
    const { name, version } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      name: string;
      version: string;
    };
    expect([PRODUCT, PRODUCT_VERSION]).toEqual([name, version]);
  });
});
