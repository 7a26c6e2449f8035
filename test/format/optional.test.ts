import { beforeAll, describe, expect, it } from 'vitest';
import { type Bundle, bundleKind } from '../../src/format/bundle.ts';
import { checkDocument } from '../../src/format/document.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { siteKind } from '../../src/format/site.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { manifest } from './samples.ts';

/** A manifest in which everything has a name and nothing is used. */
function written(lines: string): string {
  return `apiVersion: stowage/v1
name: chat
version: 1.0.0
models:
  - { name: tiny, source: 'hf://a/tiny@main' }
  - { name: large, source: 'hf://a/large@main', optional: true }
images:
  - { name: server, source: 'registry.example/server:1' }
  - { name: big, source: 'registry.example/big:1', optional: true }
files:
  - { name: settings, source: ./settings }
  - { name: extra, source: ./extra, optional: true }
services:
  - { name: api, image: server, ports: [{ name: http, container: 1, host: 1 }], health: { server: vllm, port: http } }
  - { name: side, image: server, optional: true, ports: [{ name: http, container: 1, host: 2 }], health: { server: vllm, port: http } }
${lines}`;
}

const service = (fields: string): string => `  - { name: x, image: server, ${fields} }`;

describe('when a part of a manifest is optional', () => {
  it('may be used by an optional service', () => {
    const lines = service(
      'optional: true, dependsOn: [side], mounts: [{ model: large, path: /m }, { files: extra, path: /f }]',
    );
    const read = readYaml(manifestKind, Buffer.from(written(lines)));
    expect(read.models.map(({ optional }) => optional)).toEqual([undefined, true]);
    expect(read.services.map(({ optional }) => optional)).toEqual([undefined, true, true]);
  });

  it.each([
    ['image', '  - { name: x, image: big }', 'image', 'big'],
    ['model', service('mounts: [{ model: large, path: /m }]'), 'mounts[0].model', 'large'],
    ['files', service('mounts: [{ files: extra, path: /m }]'), 'mounts[0].files', 'extra'],
    ['template', service('mounts: [{ template: extra, path: /m }]'), 'mounts[0].template', 'extra'],
    ['service', service('dependsOn: [side]'), 'dependsOn[0]', 'side'],
  ])('is not used by a service of every site: %s', async (_, lines, path, name) => {
    const error = await expectCode(
      () => readYaml(manifestKind, Buffer.from(written(lines)), 'chat.yaml'),
      'manifest-invalid',
    );
    const text = error.defects.join('\n');
    expect(text).toMatch(/^chat\.yaml:16:\d+: /);
    expect(text).toContain(`services[2].${path}`);
    expect(text).toContain(`service x is not optional, but uses the optional`);
    expect(text).toContain(` ${name}: make both optional, or neither`);
  });

  it.each([
    ['questions', 'questions: extra', 'files extra'],
    ['a service for similarity', 'similarity: { service: side, model: m }', 'service side'],
  ])('is not used by an evaluation of every site: %s', async (_, field, what) => {
    const evaluation = `evaluations: [{ name: e, service: api, model: m, questions: settings, thresholds: { passRate: 1 }, ${field} }]`;
    const text = written(evaluation).replace(
      /questions: settings, (.*questions: )/,
      (_all, rest: string) => rest,
    );
    const error = await expectCode(
      () => readYaml(manifestKind, Buffer.from(text)),
      'manifest-invalid',
    );
    expect(error.defects.join('\n')).toContain(
      `evaluation e is not optional, but uses the optional ${what}`,
    );
  });

  it.each([false, 'yes', 1, null])('is refused for any other value: %j', async (optional) => {
    const images = [{ name: 'server', source: 'registry.example/server:1', optional }];
    await expectCode(
      () => checkDocument(manifestKind, { ...manifest(), images }),
      'manifest-invalid',
    );
  });
});

describe('when a site chooses optional parts', () => {
  const site = (parts: unknown): object => ({
    ...{ apiVersion: 'stowage/v1', name: 'vault', with: { chat: parts } },
  });

  it.each([['all'], [[]], [['small']], [['model/small', 'service/large', 'files/x', 'image/y']]])(
    'names them: %j',
    (parts) => {
      expect(checkDocument(siteKind, site(parts)).with).toEqual({ chat: parts });
    },
  );

  it.each([
    [true],
    ['small'],
    [['Small']],
    [['../x']],
    [['models/small']],
    [['model/']],
    [['a/b/c']],
    [[1]],
    [{}],
    [Array.from({ length: 1001 }, () => 'a')],
  ])('is refused otherwise: %j', async (parts) => {
    await expectCode(() => checkDocument(siteKind, site(parts)), 'site-invalid');
  });
});

const scratch = scratchFolder();
let made: SmallBundle;
let plain: SmallBundle;

beforeAll(async () => {
  made = await smallBundle({ place: scratch.fresh(), sizes: { large: 5000 } });
  plain = await smallBundle({ place: scratch.fresh() });
});

describe('when a bundle has optional parts', () => {
  it('has the versions of documents that have them', () => {
    expect(made.bundle.schema).toBe('stowage/bundle/v3');
    expect(made.lock.schema).toBe('stowage/lock/v3');
    expect(plain.bundle.schema).toBe('stowage/bundle/v1');
    expect(plain.lock.schema).toBe('stowage/lock/v2');
    expect(JSON.stringify(plain.bundle)).not.toContain('optional');
  });

  const models = (change: (blobs: readonly string[]) => object): object => ({
    ...made.bundle,
    models: made.bundle.models.map((each) =>
      each.optional === undefined ? each : { ...each, ...change(each.blobs ?? []) },
    ),
  });

  it.each<[string, () => object, string]>([
    [
      'names a blob that is not listed',
      () => models((blobs) => ({ blobs: [...blobs, `sha256:${'9'.repeat(64)}`] })),
      'is not listed',
    ],
    [
      'names a blob that every site needs',
      () => models((blobs) => ({ blobs: [...blobs, made.bundle.files[0]?.digest] })),
      'is not optional: others need it',
    ],
    [
      'has no list of its blobs',
      () => models(() => ({ blobs: undefined })),
      'must have both optional and blobs',
    ],
    [
      'has blobs, and is not optional',
      () => models(() => ({ optional: undefined })),
      'must have both optional and blobs',
    ],
    [
      'is of an earlier version',
      () => ({ ...made.bundle, schema: 'stowage/bundle/v2' }),
      'it has fields of stowage/bundle/v3',
    ],
  ])('is refused if it %s', async (_, bundle, reason) => {
    const value = JSON.parse(JSON.stringify(bundle())) as Bundle;
    const error = await expectCode(() => checkDocument(bundleKind, value), 'index-malformed');
    expect(error.defects.join('\n')).toContain(reason);
  });
});
