import { describe, expect, it } from 'vitest';
import { checkDocument, readJson, writeJson } from '../../src/format/document.ts';
import { type Lock, lockKind, sealLock } from '../../src/format/lock.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { expectCode } from '../support/error.ts';
import * as sample from './samples.ts';

const check = (model: object): unknown =>
  checkDocument(manifestKind, { ...sample.manifest(), models: [{ name: 'tiny', ...model }] });

describe('when the source of a model is in an accepted form', () => {
  it.each([
    'hf://acme/chat',
    'hf://acme/chat@refs/pr/1',
    'hf+https://depot.example:5080/acme/chat@v1',
    'hf+http://127.0.0.1:5080/acme/chat',
    'hf+https://[fd00::1]:5080/acme/chat',
    './my-model',
    '../models/my model',
    '/srv/models/chat',
    '.',
    'oci://registry.example:5000/acme/chat:v1',
    'oci://registry.example/acme/chat@sha256:aa',
    'ollama://llama3.2:1b',
    'ollama://hf.co/acme/chat:latest',
    's3://models',
    'bundle:./chat-1.0.0',
    'bundle:/media/stick/chat-1.0.0:chat',
    's3://team.models/chat-1.0/',
  ])('%s is accepted', (source) => {
    const trust = source.startsWith('bundle:') ? { trust: './root.pem' } : {};
    expect(() => check({ source, ...trust })).not.toThrow();
  });
});

describe('when the source of a model is what people write for other programs', () => {
  it.each([
    [
      'hf://datasets/acme/prompts',
      'source: git+https://huggingface.co/datasets/acme/prompts@main and lfs: true',
    ],
    [
      'https://huggingface.co/datasets/acme/prompts/tree/main',
      'source: git+https://huggingface.co/datasets/acme/prompts@main',
    ],
    ['https://huggingface.co/acme/chat', 'source: hf://acme/chat@main'],
    ['https://huggingface.co/acme/chat/tree/v1.0', 'source: hf://acme/chat@v1.0'],
    [
      'https://huggingface.co/acme/chat/blob/main/a/chat.gguf?download=true',
      'source: hf://acme/chat@main and include: ["a/chat.gguf"]',
    ],
    ['https://hf.co/acme/chat', 'source: hf://acme/chat@main'],
    ['hf.co/acme/chat', 'source: hf://acme/chat@main'],
    ['hf://models/acme/chat@v1', 'source: hf://acme/chat@v1'],
    ['hf://acme/chat:Q4_K_M', 'source: hf://acme/chat@main and include: ["*Q4_K_M*.gguf"]'],
    ['acme/chat:Q4_K_M', 'source: hf://acme/chat@main and include: ["*Q4_K_M*.gguf"]'],
    ['hf.co/acme/chat:Q4_K_M', 'source: hf://acme/chat@main and include: ["*Q4_K_M*.gguf"]'],
    [
      'hf://acme/chat/chat-Q4_0.gguf@v1',
      'source: hf://acme/chat@v1 and include: ["chat-Q4_0.gguf"]',
    ],
    ['acme/chat', 'source: hf://acme/chat@main for a model of the Hub, or source: ./acme/chat'],
    ['my-model', 'source: ./my-model'],
    ['llama3.2:1b', 'source: ollama://llama3.2:1b'],
    ['https://ollama.com/library/llama3.2:1b', 'source: ollama://llama3.2:1b'],
    ['docker://registry.example/acme/chat:v1', 'source: oci://registry.example/acme/chat:v1'],
    ['kit://registry.example/acme/chat:v1', 'source: oci://registry.example/acme/chat:v1'],
    ['docker.io/acme/chat:v1', 'source: oci://docker.io/acme/chat:v1'],
    ['hf+http://depot.example/acme/chat', 'source: hf+https://depot.example/acme/chat'],
    ['hf+https://u@depot.example/acme/chat', 'expected hf://organisation/name@revision'],
    ['hf+https://depot.example/chat', 'expected hf://organisation/name@revision'],
    ['registry.example/acme/chat:v1', 'source: oci://registry.example/acme/chat:v1'],
    ['localhost:5000/acme/chat', 'source: oci://localhost:5000/acme/chat'],
    ['~/models/chat', 'from / on'],
    ['file:///srv/models/chat', 'source: /srv/models/chat'],
    ['gs://bucket/chat', 'use its S3-compatible address with AWS_ENDPOINT_URL_S3'],
    ['s3:bucket/chat', 'expected hf://organisation/name@revision'],
    ['s3://UPPER/chat', 'expected hf://organisation/name@revision'],
    ['s3://bucket/a/../b', 'expected hf://organisation/name@revision'],
    ['https://huggingface.co/acme', 'expected hf://organisation/name@revision'],
    ['', 'expected hf://organisation/name@revision'],
  ])('%s is answered with the lines to write', async (source, answer) => {
    const { defects } = await expectCode(() => check({ source }), 'manifest-invalid');
    expect(defects).toHaveLength(1);
    expect(defects[0]).toMatch(/^models\[0\]\.source: /);
    expect(defects[0]).toContain(answer);
  });

  it('the line that an answer names is accepted', async () => {
    const { defects } = await expectCode(
      () => check({ source: 'acme/chat:Q4_K_M' }),
      'manifest-invalid',
    );
    const [, source, include] = /source: (\S+) and include: (.*)$/.exec(defects[0] ?? '') ?? [];
    expect(() => check({ source, include: JSON.parse(include ?? '') })).not.toThrow();
  });
});

describe('when fields of a model fit only other sources', () => {
  it.each([
    ['outside', { source: 'hf://acme/chat', outside: true }],
    ['repository', { source: 'hf://acme/chat', repository: 'acme/chat' }],
    ['repository', { source: './chat', repository: 'chat' }],
    ['license', { source: './chat', license: 'mit' }],
  ])('%s is refused', async (field, model) => {
    const { defects } = await expectCode(() => check(model), 'manifest-invalid');
    expect(defects[0]).toContain(`models[0].${field}`);
  });

  it.each([
    ['a list without a digest', { source: 'https://models.example/chat/SHA256SUMS' }],
    ['a digest of a folder', { source: './chat', digest: sample.ONE }],
    ['a list over http', { source: 'http://models.example/chat/SHA256SUMS', digest: sample.ONE }],
  ])('%s is refused', async (_, model) => {
    await expectCode(() => check(model), 'manifest-invalid');
  });

  it('a license that is a name alone is answered with both meanings', async () => {
    const run = (): unknown => check({ source: './chat', license: 'mit' });
    const { defects } = await expectCode(run, 'manifest-invalid');
    expect(defects[0]).toContain('license: {id: mit}');
    expect(defects[0]).toContain('licenses: [mit]');
  });
});

describe('when a lock has a model that is not of a Hub', () => {
  const locked = (source: object, model: object): Lock => {
    const {
      schema: _,
      digest: __,
      ...lock
    } = readJson(lockKind, Buffer.from(JSON.stringify(sample.lock())));
    const [wanted] = lock.manifest.models;
    const [{ endpoint: ____, ...first } = { endpoint: '' }] = lock.models;
    return sealLock({
      ...lock,
      manifest: { ...lock.manifest, models: [{ ...wanted, ...source }] },
      models: [{ ...first, ...model }],
    } as Omit<Lock, 'schema' | 'digest'>);
  };
  const origin = { kind: 'folder', uri: './tiny', digest: sample.ONE };
  const endpoint = 'https://hub.example';

  it.each([
    ['a local folder', { source: './tiny' }, { source: './tiny', origin }],
    ['another Hub', { source: 'hf+https://depot.example/acme/chat' }, { endpoint }],
    ['mirrors', { mirrors: ['./tiny'] }, { endpoint, mirror: './tiny' }],
    ['a license in the manifest', { license: { id: 'mit' } }, { endpoint }],
  ])('%s is in version 3, which older programs refuse as newer', async (_, source, model) => {
    const lock = locked(source, model);
    expect(lock.schema).toBe('stowage/lock/v3');
    const text = writeJson(lockKind, lock);
    expect(readJson(lockKind, text)).toEqual(lock);
    const { span: __, ...older } = lockKind;
    await expectCode(() => readJson(older, text), 'format-newer');
  });

  it('a model of a Hub stays in version 2', () => {
    expect(locked({}, { endpoint }).schema).toBe('stowage/lock/v2');
  });

  it.each([
    ['an origin in version 2', { origin }, 'stowage/lock/v2'],
    ['neither a Hub nor an origin', {}, 'stowage/lock/v3'],
    ['a Hub and an origin', { endpoint, origin }, 'stowage/lock/v3'],
  ])('%s is refused', async (_, model, schema) => {
    const lock = { ...locked({}, model), schema };
    await expectCode(() => checkDocument(lockKind, lock), 'lock-invalid');
  });
});
