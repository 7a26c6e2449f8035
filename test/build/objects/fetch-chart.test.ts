import { describe, expect, it } from 'vitest';
import { requireOneChartPerTag } from '../../../src/build/objects/fetch-chart.ts';
import type { Digest } from '../../../src/core/digest.ts';
import { expectCode } from '../../support/error.ts';

const blob = (digit: string) => ({
  ...{ digest: `sha256:${digit.repeat(64)}` as Digest, size: 1, mediaType: 'application/x' },
});
const chart = (digit: string, version = '1.0.0', manifest?: string) => ({
  ...{ chart: 'demo', version, archive: blob(digit) },
  ...(manifest === undefined
    ? {}
    : { copied: { repository: 'r.example/demo', manifest: blob(manifest), blobs: [] } }),
});

describe('when a release has charts of the same name', () => {
  it.each([
    ['the same chart twice', chart('a'), chart('a')],
    ['another version', chart('a'), chart('b', '1.1.0')],
    ['the same artifact twice', chart('a', '1.0.0', 'c'), chart('a', '1.0.0', 'c')],
  ])('accepts %s', (_, one, two) => {
    expect(() =>
      requireOneChartPerTag(
        new Map([
          ['one', one],
          ['two', two],
        ]),
      ),
    ).not.toThrow();
  });

  it.each([
    ['another chart of the version', chart('a'), chart('b')],
    ['another artifact of the same archive', chart('a', '1.0.0', 'c'), chart('a', '1.0.0', 'd')],
  ])('refuses %s, as both have one tag in a depot', async (_, one, two) => {
    const both = new Map([
      ['one', one],
      ['two', two],
    ]);
    const error = await expectCode(() => requireOneChartPerTag(both), 'manifest-invalid');
    expect(error.found).toMatch(/^one is .*two is/s);
  });
});
