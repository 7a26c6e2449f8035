import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findListedChart } from '../../../src/build/objects/chart-index.ts';
import { parseChartSource } from '../../../src/build/objects/chart-source.ts';
import { createHttp } from '../../../src/net/http.ts';
import { expectCode } from '../../support/error.ts';

describe('when the source of a chart is parsed', () => {
  it.each([
    ['oci://r.example/a/chart@1.2.3', { kind: 'registry', reference: 'r.example/a/chart:1.2.3' }],
    ['oci://r.example:5000/chart@v1.2.3+b.1', { reference: 'r.example:5000/chart:v1.2.3_b.1' }],
    [
      `oci://r.example/chart@sha256:${'a'.repeat(64)}`,
      { reference: `r.example/chart@sha256:${'a'.repeat(64)}` },
    ],
    [
      'https://r.example/charts/#gpu-operator@v24.9.2',
      { url: 'https://r.example/charts', chart: 'gpu-operator', version: 'v24.9.2' },
    ],
    ['./charts/lws', { kind: 'local', path: './charts/lws' }],
    ['lws-0.7.0.tgz', { kind: 'local' }],
  ])('reads %s', (source, expected) => {
    expect(parseChartSource(source)).toMatchObject(expected);
  });

  it.each([
    ['no version', 'oci://r.example/chart'],
    ['a range', 'oci://r.example/chart@^1.2.0'],
    ['latest', 'oci://r.example/chart@latest'],
    ['a repository without a chart', 'https://r.example/charts@1.0.0'],
    ['a repository without a version', 'https://r.example/charts#a'],
    ['a chart with a slash', 'https://r.example/charts#a/b@1.0.0'],
    ['another scheme', 'git://r.example/charts#a@1.0.0'],
    ['a password', 'https://user:secret@r.example/charts#a@1.0.0'],
  ])('refuses %s', async (_, source) => {
    await expectCode(() => parseChartSource(source), 'manifest-invalid');
  });
});

describe('when a chart is looked up in its repository', () => {
  const { signal } = new AbortController();
  const http = createHttp({ sleep: async () => {} });
  let server: Server;
  let index = '';
  let url = '';
  beforeAll(async () => {
    server = createServer((_, response) => void response.end(index));
    await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());
  const find = (version = '1.0.0'): Promise<unknown> =>
    findListedChart({ kind: 'repository', url, chart: 'demo', version }, http, signal);
  const entry = (fields: string): string =>
    `apiVersion: v1\nentries:\n  demo:\n  - name: demo\n    version: 1.0.0\n${fields}`;

  it('gives the address of the archive, relative or not, and its digest', async () => {
    index = entry(`    urls: [demo-1.0.0.tgz]\n    digest: ${'a'.repeat(64)}\n`);
    expect(await find()).toEqual({
      url: `${url}/demo-1.0.0.tgz`,
      digest: `sha256:${'a'.repeat(64)}`,
    });
    index = entry('    urls: ["https://files.example/demo.tgz"]\n');
    expect(await find()).toEqual({ url: 'https://files.example/demo.tgz' });
  });

  it('names the versions that there are instead', async () => {
    index = entry('    urls: [demo-1.0.0.tgz]\n');
    const error = await expectCode(() => find('2.0.0'), 'source-not-found');
    expect(error.found).toBe('1.0.0');
  });

  it.each([
    ['is not YAML', 'entries: ['],
    ['is a page', '<html><body>Sign in</body></html>'],
    ['lists no address', entry('    urls: []\n')],
    ['has a digest that is none', entry('    urls: [a.tgz]\n    digest: abc\n')],
    ['has a key twice', 'a: 1\na: 2\n'],
  ])('refuses an index that %s', async (_, text) => {
    index = text;
    await expectCode(find, 'source-malformed');
  });

  it('says when the repository is down', async () => {
    const down = { kind: 'repository', url: 'http://127.0.0.1:9', chart: 'a', version: '1.0.0' };
    await expectCode(
      () => findListedChart({ ...down, kind: 'repository' }, http, signal),
      'source-unreachable',
    );
  });
});
