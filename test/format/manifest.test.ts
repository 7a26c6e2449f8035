import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkDocument } from '../../src/format/document.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { expectCode } from '../support/error.ts';
import { bend } from './bend.ts';
import { manifest, ONE } from './samples.ts';

const refuse = async (value: unknown, defect: string): Promise<void> => {
  const error = await expectCode(() => checkDocument(manifestKind, value), 'manifest-invalid');
  expect(error.defects.join('\n')).toContain(defect);
};

describe('when a manifest is minimal', () => {
  it('adds the defaults', () => {
    const least = { apiVersion: 'stowage/v1', name: 'a', version: '1.0.0' };
    expect(checkDocument(manifestKind, least)).toEqual({
      ...least,
      channel: 'stable',
      description: '',
      platforms: ['linux/amd64'],
      models: [],
      images: [],
      files: [],
      services: [],
      acceptance: [],
      parameters: {},
      secrets: {},
      requires: { releases: [], conflicts: [] },
    });
  });

  it('adds the defaults of a service, a model and a prompt', () => {
    const read = checkDocument(manifestKind, {
      ...manifest(),
      models: [{ name: 'tiny', source: 'hf://demo/tiny' }],
      services: [
        {
          name: 'api',
          image: 'server',
          ports: [{ name: 'http', container: 1, host: 1 }],
          health: { server: 'vllm', port: 'http' },
        },
      ],
      acceptance: [{ service: 'api', model: 'tiny', prompt: 'a', expect: { equals: 'b' } }],
    });
    expect(read.models[0]).toMatchObject({ include: [], exclude: [] });
    expect(read.services[0]).toMatchObject({
      args: [],
      env: {},
      mounts: [],
      network: 'bridge',
      readOnlyRoot: true,
      capabilities: [],
      health: { startupSeconds: 600 },
    });
    expect(read.acceptance[0]).toMatchObject({ api: 'chat', maxTokens: 16, withinSeconds: 60 });
  });

  it.each([
    ['512B', 512],
    ['1KiB', 1024],
    ['3MiB', 3 * 1024 ** 2],
    ['16GiB', 16 * 1024 ** 3],
    [7, 7],
  ])('reads a size of %s', (text, bytes) => {
    const read = checkDocument(manifestKind, bend(manifest(), 'services.0.memory', text));
    expect(read.services[0]?.memory).toBe(bytes);
  });
});

describe('when a manifest is wrong', () => {
  it.each([
    ['extra', 'extra'],
    ['models.0.extra', 'models[0].extra'],
    ['images.0.extra', 'images[0].extra'],
    ['services.0.extra', 'services[0].extra'],
    ['services.0.health.extra', 'services[0].health.extra'],
    ['services.0.ports.0.extra', 'services[0].ports[0].extra'],
    ['services.0.mounts.0.extra', 'services[0].mounts[0].extra'],
    ['acceptance.0.expect.extra', 'acceptance[0].expect.extra'],
    ['parameters.port.extra', 'parameters.port.extra'],
    ['requires.extra', 'requires.extra'],
  ])('names the unknown field %s', async (path, shown) => {
    await refuse(bend(manifest(), path, 1), `${shown}: unknown field`);
  });

  it.each(['__proto__', 'constructor', 'prototype'])('refuses the field %s', async (name) => {
    const text = JSON.stringify(manifest()).replace('{', `{"${name}":{"a":1},`);
    await refuse(JSON.parse(text), `${name}: unknown field`);
  });

  it.each([
    [
      '"parameters":{',
      '"parameters":{"__proto__":{"type":"string","description":"x"},',
      'parameters',
    ],
    ['"env":{', '"env":{"__proto__":"x",', 'services[0].env'],
  ])('refuses __proto__ in %s, which is a record', async (from, to, path) => {
    const value: unknown = JSON.parse(JSON.stringify(manifest()).replace(from, to));
    await refuse(value, `${path}.__proto__: unknown field`);
  });

  it.each<[string, string, unknown, string]>([
    ['an unknown image', 'services.0.image', 'other', 'services[0].image: unknown image other'],
    ['an unknown model', 'services.0.mounts.0.model', 'other', 'unknown model other'],
    ['unknown files', 'services.0.mounts.1.files', 'other', 'unknown files other'],
    ['an unknown parameter in args', 'services.0.args', ['${parameters.x}'], 'unknown parameter x'],
    ['an unknown parameter in env', 'services.0.env.A', 'a${parameters.x}', 'unknown parameter x'],
    [
      'an unknown parameter in a port',
      'services.0.ports.0.host',
      '${parameters.x}',
      'unknown parameter x',
    ],
    [
      'a parameter that objects inherit',
      'services.0.args',
      ['${parameters.constructor}'],
      'unknown parameter constructor',
    ],
    ['a parameter without a name', 'services.0.args', ['${parameters.}'], 'unknown parameter '],
    ['an unknown service', 'acceptance.0.service', 'other', 'unknown service other'],
    [
      'a prompt to a service without health',
      'services.0.health',
      undefined,
      'names no port for prompts',
    ],
    ['health on an unknown port', 'services.0.health.port', 'grpc', 'names no port'],
    [
      'health of kind http without a path',
      'services.0.health',
      { server: 'http', port: 'http' },
      'expected a path',
    ],
    [
      'an expectation that checks nothing',
      'acceptance.0.expect',
      { jsonSchema: { minimum: 3 } },
      'keyword minimum requires type number',
    ],
    [
      'adapters for a server that takes none',
      'services.0.health.server',
      'ollama',
      'does not support adapters',
    ],
    [
      'two mounts at one path',
      'services.0.mounts.1.path',
      '/models/tiny',
      'two mounts have the same path',
    ],
    [
      'an https address without its digest',
      'files.0.source',
      'https://a.example/x',
      'expected a digest',
    ],
    ['ports without a network', 'services.0.network', 'none', 'has no ports'],
    ['a default of another type', 'parameters.port.default', 'x', 'does not have the type'],
  ])('refuses %s', async (_, path, value, defect) => {
    await refuse(bend(manifest(), path, value), defect);
  });

  it.each([
    ['models', 'two models, images, files, charts or objects have the same name'],
    ['images', 'two models, images, files, charts or objects have the same name'],
    ['files', 'two models, images, files, charts or objects have the same name'],
    ['services', 'two services have the same name'],
    ['services.0.ports', 'two ports have the same name'],
  ])('refuses a name twice in %s', async (path, defect) => {
    const document = manifest();
    const list =
      path === 'services.0.ports'
        ? (document['services'] as { ports: unknown[] }[])[0]?.ports
        : (document[path] as unknown[]);
    list?.push(structuredClone(list[0]));
    await refuse(document, defect);
  });

  it('refuses the same name for a model and an image', async () => {
    await refuse(bend(manifest(), 'images.0.name', 'tiny'), 'have the same name');
  });

  it.each<[string, unknown]>([
    ['models.0.source', 'demo/tiny'],
    ['models.0.source', 'ftp://hub.example/demo/tiny'],
    ['models.0.source', 'hf://demo'],
    ['models.0.source', 'hf://demo/tiny/more@main'],
    ['models.0.source', 'hf://../tiny@main'],
    ['models.0.source', 'hf://demo/tiny@'],
    ['models.0.source', 'hf://demo/tiny@main\n'],
    ['models.0.source', 'hf://demo/tiny@-x'],
    ['models.0.licenses', []],
    ['images.0.source', ''],
    ['images.0.source', '-v'],
    ['images.0.source', 'a b'],
    ['images.0.source', 'docker://a/b'.padEnd(600, 'x')],
    ['files.0.source', ''],
    ['files.0.source', 'http://a.example/x'],
    ['files.0.source', 'ftp://a.example/x'],
    ['files.0.source', 'a\u001b[2J'],
    ['files.0.digest', 'sha256:x'],
    ['apiVersion', 'stowage/v2'],
    ['name', 'Chat'],
    ['name', 'a--b'],
    ['name', '-a'],
    ['name', ''],
    ['name', 'a'.repeat(64)],
    ['version', '1.4'],
    ['version', 'v1.4.0'],
    ['version', '1.4.0+build'],
    ['version', ' 1.4.0'],
    ['description', 'two\nlines'],
    ['platforms', []],
    ['platforms.0', 'windows/amd64'],
    ['platforms.0', 'linux/amd64/'],
    ['services.0.user', 'root'],
    ['services.0.capabilities', ['ALL']],
    ['services.0.memory', '16GB'],
    ['services.0.memory', '-1'],
    ['services.0.memory', -1],
    ['services.0.gpus', 0],
    ['services.0.gpus', 'some'],
    ['services.0.cpus', 0],
    ['services.0.env', { 'A=B': 'x' }],
    ['services.0.env.A', 'a\0b'],
    ['services.0.mounts.0.path', 'models'],
    ['services.0.mounts.0.path', '/a/../b'],
    ['services.0.mounts.0.path', '/a:/b'],
    ['services.0.mounts.0.path', '/'],
    ['services.0.ports.0.container', 0],
    ['services.0.ports.0.container', 65_536],
    ['services.0.ports.0.host', '8080'],
    ['services.0.health.path', 'health'],
    ['services.0.health.path', '/health?x=y'],
    ['acceptance.0.expect', {}],
    ['acceptance.0.expect', { equals: 'a', contains: 'b' }],
    ['acceptance.0.expect', { matches: '(' }],
    ['acceptance.0.maxTokens', 0],
    ['acceptance.0.withinSeconds', 3601],
    ['requires.releases.0.version', 'newest'],
    ['parameters', { 'not-plain': { type: 'string', description: '' } }],
  ])('refuses %s of %j', async (path, value) => {
    const error = await expectCode(
      () => checkDocument(manifestKind, bend(manifest(), path, value)),
      'manifest-invalid',
    );
    const shown = path.replaceAll(/\.(\d+)/g, '[$1]');
    expect(error.defects.join('\n')).toContain(shown);
  });

  it('reports every defect', async () => {
    const wrong = bend(bend(bend(manifest(), 'name', 5), 'models.0.source', 'x'), 'extra', 1);
    const error = await expectCode(() => checkDocument(manifestKind, wrong), 'manifest-invalid');
    expect(error.defects).toHaveLength(3);
    expect(error.message).toBe('manifest has 3 defects');
  });

  it('accepts an https URL with its digest', () => {
    const file = { name: 'settings', source: 'https://a.example/x', digest: ONE };
    expect(checkDocument(manifestKind, bend(manifest(), 'files.0', file)).files[0]).toEqual(file);
  });
});

describe('when the worked manifests are read', () => {
  const names = readdirSync('manifests').filter(
    (name) => /\.ya?ml$/.test(name) && !/(?:^|[.-])(?:site|trust)\b/.test(name),
  );

  it('finds some', () => expect(names.length).toBeGreaterThan(0));

  it.each(names)('takes %s', (name) => {
    expect(readYaml(manifestKind, readFileSync(`manifests/${name}`)).apiVersion).toBe('stowage/v1');
  });
});
