import { describe, expect, it } from 'vitest';
import { readChart } from '../../../src/build/objects/chart-files.ts';
import { requireOneChartPerTag, requireSubcharts } from '../../../src/build/objects/fetch-chart.ts';
import type { Digest } from '../../../src/core/digest.ts';
import { expectCode } from '../../support/error.ts';
import { chartArchive, chartYaml } from './made-chart.ts';

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

describe('when a chart needs subcharts', () => {
  const dependencies = (version: string): string =>
    `dependencies:\n  - { name: sub, version: ${version} }\n`;
  const judged = async (files: Readonly<Record<string, string>>): Promise<void> =>
    requireSubcharts('gear', await readChart(chartArchive(files), 'chart gear'));
  const asked = { 'Chart.yaml': chartYaml('demo', dependencies('^1.0.0')) };
  const sub = { 'charts/sub/Chart.yaml': chartYaml('sub') };

  it.each([
    ['none are needed', {}],
    ['one is there that no lock names', { ...asked, ...sub }],
    ['one is there as locked', { ...asked, ...sub, 'Chart.lock': dependencies('1.0.0') }],
    ['one is locked with a v', { ...asked, ...sub, 'Chart.lock': dependencies('v1.0.0') }],
  ])('accepts it where %s', async (_, files) => {
    await expect(judged(files)).resolves.toBeUndefined();
  });

  it.each([
    ['one is missing', asked, 'chart-unsupported', 'no subcharts'],
    [
      'one is there in another version',
      { ...asked, ...sub, 'Chart.lock': dependencies('1.0.1') },
      ...(['chart-unsupported', 'sub 1.0.0'] as const),
    ],
    [
      'one has metadata that is no YAML',
      { ...asked, 'charts/sub/Chart.yaml': 'a: [' },
      ...(['content-refused', 'line 1'] as const),
    ],
    [
      'one has metadata without an end',
      { ...asked, 'charts/sub/Chart.yaml': `a: ${'['.repeat(20_000)}` },
      ...(['content-refused', ''] as const),
    ],
  ] as const)('refuses it where %s', async (_, files, code, found) => {
    const error = await expectCode(() => judged(files), code);
    expect(error.found).toContain(found);
    expect(error.message).toContain('chart gear');
  });
});
