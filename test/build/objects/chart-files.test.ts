import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readChart } from '../../../src/build/objects/chart-files.ts';
import { expectCode } from '../../support/error.ts';
import { tarOf } from '../../support/tar.ts';
import { chartArchive, chartYaml, configMap } from './made-chart.ts';

const yaml = { path: 'demo/Chart.yaml', data: chartYaml('demo') };

/** A gzip of this many zero bytes, made of members of one gigabyte. */
function zeros(gigabytes: number): Buffer {
  const block = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 9 });
  return Buffer.concat(Array.from({ length: gigabytes * 16 }, () => block));
}

describe('when a chart archive is read', () => {
  it('gives the files of the chart and of subcharts that are archives', async () => {
    const sub = chartArchive({ 'templates/a.yaml': configMap('a') }, 'sub');
    const archive = gzipSync(
      tarOf(yaml, { path: 'demo/charts/sub-1.0.0.tgz', data: sub.toString('latin1') }),
    );
    const plain = await readChart(chartArchive({ 'templates/a.yaml': configMap('a') }), 'chart a');
    expect([...plain.files.keys()]).toEqual(['Chart.yaml', 'templates/a.yaml']);
    expect(plain.metadata).toEqual({ name: 'demo', version: '1.0.0', appVersion: '2.0' });
    // Not the bytes of a gzip any more: text is UTF-8.
    await expectCode(() => readChart(archive, 'chart a'), 'content-refused');
  });

  it.each<[string, Buffer]>([
    ['a path with ..', gzipSync(tarOf(yaml, { path: 'demo/../../etc/passwd', data: 'x' }))],
    ['an absolute path', gzipSync(tarOf(yaml, { path: '/etc/passwd', data: 'x' }))],
    ['a symbolic link', gzipSync(tarOf(yaml, { path: 'demo/a', type: '2', link: '/etc/shadow' }))],
    ['a hard link', gzipSync(tarOf(yaml, { path: 'demo/a', type: '1', link: 'demo/Chart.yaml' }))],
    ['a device', gzipSync(tarOf(yaml, { path: 'demo/a', type: '3' }))],
    ['two folders', gzipSync(tarOf(yaml, { path: 'other/a', data: 'x' }))],
    ['a file twice', gzipSync(tarOf(yaml, { path: 'demo/a' }, { path: 'demo/a' }))],
    ['names that differ in case', gzipSync(tarOf(yaml, { path: 'demo/a' }, { path: 'demo/A' }))],
    ['no Chart.yaml', gzipSync(tarOf({ path: 'demo/a', data: 'x' }))],
    ['a Chart.yaml that is not YAML', chartArchive({ 'Chart.yaml': 'a: [' })],
    ['a Chart.yaml without a version', chartArchive({ 'Chart.yaml': 'name: demo' })],
    ['a name with a slash', chartArchive({ 'Chart.yaml': 'name: a/b\nversion: 1.0.0' })],
    ['a file that claims 10 GB', gzipSync(tarOf(yaml, { path: 'demo/a', size: 8_589_934_591 }))],
    ['10 GB of zeros', zeros(10)],
    ['zeros after its end', Buffer.concat([chartArchive({}), zeros(1)])],
    ['a truncated gzip', chartArchive({ 'a.txt': 'x'.repeat(5000) }).subarray(0, 90)],
    ['a tar without gzip', tarOf(yaml)],
    ['nothing', Buffer.alloc(0)],
  ])('refuses %s', async (_, archive) => {
    const error = await expectCode(() => readChart(archive, 'chart demo'), 'content-refused');
    expect(error.message).toContain('chart demo');
  });
});
