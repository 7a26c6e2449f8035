import { describe, expect, it } from 'vitest';
import { bundleKind } from '../../src/format/bundle.ts';
import {
  checkDocument,
  type DocumentKind,
  readCanonical,
  readJson,
  writeCanonical,
  writeJson,
} from '../../src/format/document.ts';
import { lockKind, sealLock } from '../../src/format/lock.ts';
import { type Manifest, manifestKind } from '../../src/format/manifest.ts';
import { reportSchema } from '../../src/format/report.ts';
import { expectCode } from '../support/error.ts';
import { bend } from './bend.ts';
import * as sample from './samples.ts';

const chart = { name: 'leaders', source: 'charts/lws', values: { host: 'a' } };
const cluster = { kubeVersion: '1.34.0' };
const service = (sample.manifest() as { services: { name: string }[] }).services[0]?.name ?? '';
const manifest = (fields: object = {}): object => ({
  ...(sample.manifest() as object),
  ...{ charts: [chart], cluster },
  ...fields,
});

/** The kind as a program had it before charts and objects. */
function earlier<T>(kind: DocumentKind<T>): DocumentKind<T> {
  return { ...kind, span: (kind.span ?? 1) - 1 };
}

describe('when a manifest has charts and objects', () => {
  it('needs no services, models or images', () => {
    const only = {
      apiVersion: 'stowage/v1',
      name: 'tools',
      version: '1.0.0',
      charts: [chart],
      cluster,
    };
    expect(checkDocument(manifestKind, only)).toMatchObject({ services: [] });
  });

  it.each<[what: string, fields: object, path: string]>([
    ['charts without a version of Kubernetes', { cluster: {} }, 'cluster.kubeVersion'],
    ['a range of versions', { cluster: { kubeVersion: '>=1.30' } }, 'cluster.kubeVersion'],
    ['an empty list', { charts: [] }, 'charts'],
    ['an unknown field', { charts: [{ ...chart, version: '1' }] }, 'charts[0].version'],
    ['two items of one name', { objects: [{ name: 'leaders', source: 'o' }] }, 'objects[0].name'],
    [
      'an item with the name of a service',
      { objects: [{ name: service, source: 'o' }] },
      'objects[0].name',
    ],
    [
      'an unknown parameter deep in values',
      { charts: [{ ...chart, values: { a: [{ b: 'x${parameters.absent}' }] } }] },
      'charts[0].values.a[0].b',
    ],
    [
      'a kind in lower case',
      { charts: [{ ...chart, without: [{ kind: 'pod', name: 'a' }] }] },
      'charts[0].without[0].kind',
    ],
    [
      'an empty path of images',
      { charts: [{ ...chart, imagePaths: [{ kind: 'A', path: 'a..b' }] }] },
      'charts[0].imagePaths[0].path',
    ],
    ['adopt: false', { charts: [{ ...chart, adopt: false }] }, 'charts[0].adopt'],
    [
      'a port that is none',
      { charts: [{ ...chart, endpoint: { service: 'a', port: 70_000 } }] },
      'charts[0].endpoint.port',
    ],
    [
      'a policy that does not exist',
      { cluster: { ...cluster, podSecurity: 'none' } },
      'cluster.podSecurity',
    ],
  ])('refuses %s', async (_, fields, path) => {
    const error = await expectCode(
      () => checkDocument(manifestKind, manifest(fields)),
      'manifest-invalid',
    );
    expect(error.defects.join('\n')).toContain(path);
  });

  it('can send prompts to an item that has an endpoint, and to no other', async () => {
    const [first] = (sample.manifest() as { acceptance: object[] }).acceptance;
    const acceptance = [{ ...first, service: 'leaders' }];
    const charts = [{ ...chart, endpoint: { service: 'lws', port: 8080 } }];
    expect(checkDocument(manifestKind, manifest({ acceptance, charts }))).toMatchObject({ charts });
    await expectCode(
      () => checkDocument(manifestKind, manifest({ acceptance })),
      'manifest-invalid',
    );
  });
});

describe('when a document has charts, objects or cluster', () => {
  it.each([
    [[40, 24], false],
    [[40, 25], true],
    [[65], true],
  ])('is a bundle whose objects of %j MiB are too many: %s', async (sizes, tooMany) => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const objects = sizes.map((mib, index) => ({
      ...{ name: `o${index}`, source: 'o', manifest: digest, renderedBy: 'kubectl v1.36.0' },
      ...{ powers: [], objects: { digest, size: mib * 1_048_576 } },
    }));
    const bundle = bend(bend(sample.bundle(), 'objects', objects), 'schema', 'stowage/bundle/v3');
    // Its blobs are not listed either.
    const { defects } = await expectCode(
      () => checkDocument(bundleKind, bundle),
      'index-malformed',
    );
    expect(defects.some((each) => each.includes('rendered objects have'))).toBe(tooMany);
  });

  it('is a bundle of version 3, which older programs refuse as newer', async () => {
    const bundle = bend(sample.bundle(), 'cluster', cluster);
    await expectCode(() => checkDocument(bundleKind, bundle), 'index-malformed');
    const newer = bend(bundle, 'schema', 'stowage/bundle/v3');
    const bytes = writeCanonical(bundleKind, checkDocument(bundleKind, newer));
    expect(readCanonical(bundleKind, bytes).cluster).toEqual(cluster);
    await expectCode(() => readCanonical(earlier(bundleKind), bytes), 'format-newer');
  });

  it('is a lock of version 3, and no lock of version 2', async () => {
    const {
      schema: _,
      digest: __,
      ...rest
    } = readJson(lockKind, Buffer.from(JSON.stringify(sample.lock())));
    expect(sealLock(rest).schema).toBe('stowage/lock/v2');
    const sealed = sealLock({ ...rest, manifest: { ...rest.manifest, cluster } as Manifest });
    expect(sealed.schema).toBe('stowage/lock/v3');
    const text = writeJson(lockKind, sealed);
    await expectCode(() => readJson(earlier(lockKind), text), 'format-newer');
    const older = Buffer.from(JSON.stringify({ ...sealed, schema: 'stowage/lock/v2' }));
    const error = await expectCode(() => readJson(lockKind, older), 'lock-invalid');
    expect(error.defects.join('\n')).toContain('stowage/lock/v3');
  });

  it('is a report of version 2', () => {
    const contents = { models: [], images: [], files: [] };
    expect(reportSchema({ contents })).toBe('stowage/report/v1');
    expect(reportSchema({ contents: { ...contents, objects: [] } })).toBe('stowage/report/v2');
  });
});
