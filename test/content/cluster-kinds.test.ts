import { describe, expect, it } from 'vitest';
import { controlDocuments, indexOf } from '../../src/build/bundle-documents.ts';
import { comparableLock } from '../../src/bundle/inspect/comparable.ts';
import { diffSides } from '../../src/bundle/inspect/diff.ts';
import { bundleTree } from '../../src/cli/commands/bundle-tree.ts';
import { diffText } from '../../src/cli/commands/diff-text.ts';
import { treeLines } from '../../src/cli/tree.ts';
import { noFacts } from '../../src/content/bill-entry.ts';
import { chartKind } from '../../src/content/chart.ts';
import { bundleBlobs, describeAll, isNotice, sections } from '../../src/content/items.ts';
import { manifestClaims, readManifest } from '../../src/content/manifest-claims.ts';
import { objectsKind } from '../../src/content/objects.ts';
import { digestHex, digestOf } from '../../src/core/digest.ts';
import { type Bundle, bundleKind } from '../../src/format/bundle.ts';
import { checkDocument } from '../../src/format/document.ts';
import type { Lock } from '../../src/format/lock.ts';
import type { LockedChart, LockedObjects } from '../../src/format/rendered-content.ts';
import type { RenderedObjects } from '../../src/format/rendered-objects.ts';
import { sampleOf } from '../build/samples.ts';
import { expectCode } from '../support/error.ts';

const sized = (text: string): { digest: ReturnType<typeof digestOf>; size: number } => ({
  digest: digestOf(Buffer.from(text)),
  size: text.length,
});
const rendered = {
  objects: sized('objects'),
  renderedBy: 'helm v4.2.3',
  powers: ['cluster: ClusterRole a', 'pod: Deployment a: privileged'],
};
const chart: LockedChart = {
  ...rendered,
  ...{ name: 'leaders', source: 'charts/lws', chart: 'lws', version: '0.7.0+build' },
  ...{
    archive: sized('archive'),
    config: { name: 'lws' },
    inputs: [{ path: 'v.yaml', digest: digestOf(Buffer.from('v')) }],
  },
};
const plain: LockedObjects = { ...rendered, name: 'gateway', source: 'gateway', powers: [] };
const sample = sampleOf(100);
const lock = { ...sample.lock, charts: [chart], objects: [plain] } as Lock;
const described = describeAll(lock);
const control = controlDocuments(lock, { described, installers: [], facts: noFacts });
const blobs = bundleBlobs(lock, described);
const bundle = indexOf(lock, {
  ...{ described, facts: noFacts, control, partSize: 0 },
  blobs: blobs.map(({ digest, size }) => {
    const path = `blobs/sha256/${digestHex(digest)}`;
    return { digest, size, parts: [{ path, offset: 0, size, sha512: 'sha512-', crc32: '' }] };
  }) as unknown as Bundle['blobs'],
});
const bytesOf = new Map([...described.values()].flatMap(({ documents }) => [...documents]));

describe('when a release has charts and objects', () => {
  it('has artifacts whose manifests are as bundle.json states them', () => {
    const claims = manifestClaims({ ...bundle, models: [], images: [], files: [] });
    expect(claims.map(({ what }) => what)).toEqual([
      ...['the manifest of chart leaders', 'the manifest of the objects of chart leaders'],
      'the manifest of objects gateway',
    ]);
    const sizes = new Map(blobs.map(({ digest, size }) => [digest, size]));
    for (const claim of claims)
      expect(() =>
        readManifest(claim, bytesOf.get(claim.digest) ?? Buffer.alloc(0), sizes),
      ).not.toThrow();
  });

  it('has the rendered objects as the referrer of their chart, also in the OCI layout', () => {
    const [item] = bundle.charts ?? [];
    const [referrer] = item?.attached ?? [];
    const document =
      bytesOf.get(referrer?.digest ?? digestOf(Buffer.alloc(0)))?.toString('utf8') ?? '';
    expect(JSON.parse(document)).toMatchObject({ subject: { digest: item?.manifest } });
    expect(control.get('index.json')?.toString('utf8')).toContain(referrer?.digest);
  });

  it('keeps what only the connected side needs out of bundle.json', () => {
    const [item] = bundle.charts ?? [];
    for (const field of ['inputs', 'config', 'copied', 'url'])
      expect(item).not.toHaveProperty(field);
    expect(bundle.schema).toBe('stowage/bundle/v1');
  });

  it('is served and pushed under the names of Helm, with a tag for a version with a +', () => {
    const of = { release: 'tools', tag: '1.0.0' };
    const [item] = bundle.charts ?? [];
    if (item === undefined) throw new Error('no chart');
    const [served] = chartKind.served(item, of);
    expect(served).toMatchObject({
      repository: 'tools/charts/lws',
      tags: { '0.7.0_build': item.manifest },
    });
    expect(chartKind.pushedAs(item)).toEqual({
      registry: 'charts',
      path: 'lws',
      name: 'charts/lws',
    });
    const [objects] = bundle.objects ?? [];
    if (objects === undefined) throw new Error('no objects');
    expect(objectsKind.served(objects, of)).toMatchObject([{ repository: 'tools/gateway' }]);
  });

  it('shows what objects may do that bundle.json does not state', () => {
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'more' } };
    const document: RenderedObjects = {
      schema: 'stowage/objects/v1',
      objects: [{ object, from: 'a.yaml', filled: [] }],
    };
    const seen = { platforms: [], objects: new Map([[rendered.objects.digest, document]]) };
    const text = treeLines(bundleTree(bundle, seen), { all: true, unicode: true }).join('\n');
    expect(text).toContain('Namespace more');
    expect(text).toContain('Deployment a: privileged');
    expect(text).not.toContain('none beyond its namespace');
    const sheets = bundle.charts?.map((each) => JSON.stringify(chartKind.sheet(each, seen)));
    expect(sheets?.[0]).toContain('Namespace more');
  });

  it('shows every power, in groups', () => {
    const style = { all: true, unicode: true };
    const text = treeLines(bundleTree(bundle, { platforms: [] }), style).join('\n');
    expect(text).toContain('objects of the whole cluster: 1');
    expect(text).toContain('Deployment a: privileged');
    expect(text).toContain('powers: none beyond its namespace');
  });

  it.each(['1.0.0/../../../etc/x', '..', '', '1 0'])(
    'has no chart of version %j, which is a part of paths',
    async (version) => {
      const charts = bundle.charts?.map((each) => ({ ...each, version }));
      const error = await expectCode(
        () => checkDocument(bundleKind, { ...bundle, charts }),
        'index-malformed',
      );
      expect(error.defects.join('\n')).toContain('charts[0].version');
    },
  );

  it('is no notice, and has no sections without charts and objects', () => {
    const bare = { ...bundle, models: [], images: [], files: [], services: [] };
    expect(isNotice(bare)).toBe(false);
    const { charts: _, objects: __, ...without } = bare;
    expect(isNotice(without)).toBe(true);
    expect(Object.keys(sections(() => []))).toEqual(['models', 'images', 'files']);
  });
});

describe('when two releases with charts are compared', () => {
  const document = (...names: readonly string[]): RenderedObjects => ({
    schema: 'stowage/objects/v1',
    objects: names.map((name) => ({
      object: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name },
        data: { x: names.length },
      },
      ...{ from: 'templates/a.yaml', filled: [] },
    })),
  });
  const compared = (text: string, ...names: readonly string[]): object => {
    const [item] = bundle.charts ?? [];
    if (item === undefined) throw new Error('no chart');
    const objects = sized(text);
    const seen = { objects: new Map([[objects.digest, document(...names)]]) };
    return chartKind.comparedFromBundle({ ...item, objects, powers: names }, seen);
  };

  it('shows objects field by field, and powers gained and lost', () => {
    const side = comparableLock(sample.lock);
    const from = { ...side, kind: 'bundle', charts: [compared('one', 'a', 'b')] } as typeof side;
    const to = { ...side, kind: 'bundle', charts: [compared('two', 'b', 'c', 'd')] } as typeof side;
    const difference = diffSides(from, to);
    expect(difference.charts?.changed).toMatchObject([
      {
        name: 'leaders',
        powers: { added: ['c', 'd'], removed: ['a'] },
        objects: {
          added: ['ConfigMap c', 'ConfigMap d'],
          removed: ['ConfigMap a'],
          changed: [{ name: 'ConfigMap b', changes: [{ path: 'data.x', from: 2, to: 3 }] }],
        },
      },
    ]);
    expect(diffText(difference, { all: true, unicode: true })).toContain('~ data.x: 2 -> 3');
    expect(difference.same).toBe(false);
    expect(diffSides(from, from)).toMatchObject({ same: true, charts: { changed: [] } });
  });

  it('has no section where neither side has charts', () => {
    const side = comparableLock(sample.lock);
    expect(diffSides(side, side)).not.toHaveProperty('charts');
    expect(diffSides(side, comparableLock(lock))).toMatchObject({
      charts: { added: [{ name: 'leaders' }] },
    });
  });
});
