import { describe, expect, it } from 'vitest';
import { bundleKind } from '../../src/format/bundle.ts';
import {
  checkDocument,
  readCanonical,
  readJson,
  writeCanonical,
} from '../../src/format/document.ts';
import { lockKind, sealLock } from '../../src/format/lock.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { generationKind } from '../../src/format/plan.ts';
import { expectCode } from '../support/error.ts';
import { bend } from './bend.ts';
import * as sample from './samples.ts';

const embeddings = {
  service: 'api',
  model: 'tiny',
  api: 'embeddings',
  query: 'Where is the capital?',
  documents: ['Paris is a city.', 'Bread is baked.', 'Iron rusts.'],
  expect: { nearest: 'Paris is a city.', dimension: 384, norm: 1 },
};
const rerank = { ...embeddings, api: 'rerank', expect: { nearest: 'Paris is a city.' } };

const manifest = (test: object): object => bend(sample.manifest(), 'acceptance', [test]);

describe('when a manifest has a test of embeddings or of a ranking', () => {
  it.each([embeddings, rerank])('accepts $api', (test) => {
    const { acceptance } = checkDocument(manifestKind, manifest(test));
    expect(acceptance).toEqual([{ ...test, withinSeconds: 60 }]);
  });

  it.each<[string, object, string, RegExp]>([
    ['no documents', bend(embeddings, 'documents', undefined), 'documents', /missing/],
    [
      'one document',
      bend(embeddings, 'documents', ['Paris is a city.']),
      'documents',
      /at least 2/,
    ],
    [
      '17 documents',
      bend(embeddings, 'documents', ['Paris is a city.', ...'abcdefghijklmnop']),
      'documents',
      /at most 16/,
    ],
    ['two equal documents', bend(embeddings, 'documents.1', 'Iron rusts.'), 'documents', /same/],
    ['an empty document', bend(embeddings, 'documents.1', ' '), 'documents[1]', /expected a text/],
    ['another text', bend(embeddings, 'expect.nearest', 'Rome'), 'expect.nearest', /one of the/],
    [
      'no nearest',
      bend(embeddings, 'expect.nearest', undefined),
      'expect.nearest',
      /missing|one of/,
    ],
    ['no dimension', bend(embeddings, 'expect.dimension', 0), 'expect.dimension', /at least 1/],
    ['no norm', bend(embeddings, 'expect.norm', 0), 'expect.norm', /more than 0/],
    ['a norm of scores', bend(rerank, 'expect.norm', 1), 'expect', /only embeddings/],
    ['a prompt as well', { ...embeddings, prompt: 'x' }, 'prompt', /combined/],
    ['an unknown API', { ...embeddings, api: 'embedding' }, 'api', /embeddings/],
  ])('refuses %s', async (_, test, path, message) => {
    const { defects } = await expectCode(
      () => checkDocument(manifestKind, manifest(test)),
      'manifest-invalid',
    );
    expect(defects).toHaveLength(1);
    expect(defects[0]).toContain(`acceptance[0].${path}: `);
    expect(defects[0]).toMatch(message);
  });

  it.each([
    ['embeddings', 'triton', true],
    ['embeddings', 'tgi', true],
    ['embeddings', 'ollama', false],
    ['rerank', 'ollama', true],
    ['rerank', 'llama.cpp', false],
    ['rerank', 'http', false],
    ['chat', 'triton', false],
  ])(
    'allows %s of a server of kind %s unless it has no such endpoint',
    async (api, server, refused) => {
      const [prompt] = (sample.manifest() as { acceptance: object[] }).acceptance;
      const test = { embeddings, rerank, chat: { ...prompt, api } }[api] ?? {};
      const served = bend(
        bend(manifest(test), 'services.0.health.server', server),
        'services.0.adapters',
        [],
      );
      const check = (): unknown => checkDocument(manifestKind, served);
      if (!refused) return expect(check()).toMatchObject({ acceptance: [{ api }] });
      const { defects } = await expectCode(check, 'manifest-invalid');
      expect(defects).toEqual([
        expect.stringMatching(`api ${api} is for a server of .*not ${server}`),
      ]);
    },
  );
});

describe('when a document has such a test', () => {
  const test = { ...embeddings, withinSeconds: 60 };

  it('is a bundle and a lock of version 3', async () => {
    const bundle = bend(sample.bundle(), 'acceptance', [test]);
    await expectCode(() => checkDocument(bundleKind, bundle), 'index-malformed');
    const newer = checkDocument(bundleKind, bend(bundle, 'schema', 'stowage/bundle/v3'));
    expect(readCanonical(bundleKind, writeCanonical(bundleKind, newer)).acceptance).toEqual([test]);
    const {
      schema: _,
      digest: __,
      ...rest
    } = readJson(lockKind, Buffer.from(JSON.stringify(sample.lock())));
    const acceptance = newer.acceptance;
    expect(sealLock({ ...rest, manifest: { ...rest.manifest, acceptance } }).schema).toBe(
      'stowage/lock/v3',
    );
  });

  it('is a generation of version 3', async () => {
    const generation = bend(sample.generation(1), 'releases.0.acceptance', [test]);
    await expectCode(() => checkDocument(generationKind, generation), 'state-damaged');
    const newer = bend(generation, 'schema', 'stowage/generation/v3');
    expect(checkDocument(generationKind, newer).releases[0]?.acceptance).toEqual([test]);
  });
});
