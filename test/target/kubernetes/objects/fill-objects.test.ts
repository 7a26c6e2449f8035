import { describe, expect, it } from 'vitest';
import type { Json } from '../../../../src/core/json.ts';
import type { Filled } from '../../../../src/format/rendered-objects.ts';
import {
  fillObjects,
  type ObjectValues,
} from '../../../../src/target/kubernetes/objects/fill-objects.ts';
import { expectCode } from '../../../support/error.ts';
import { plain } from '../../../support/objects-release.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const REFERENCE = `10.0.0.5:5443/gear/server@${DIGEST}`;

const values: ObjectValues = {
  namespace: 'stowage-gear',
  parameters: (text) =>
    text.replaceAll('${parameters.port}', '9443').replaceAll('${parameters.host}', 'plant.example'),
  image: (name) => (name === 'server' ? REFERENCE : undefined),
  model: (name) => (name === 'tiny' ? 'oci://10.0.0.5:5443/gear/tiny-car@sha256:1' : undefined),
};

/** What becomes of one value. */
function filled(value: Json, as: Filled['as'] = 'text', key = 'value'): unknown {
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a' },
    data: { [key]: value },
  };
  const [first] = fillObjects([plain(object, { filled: [{ path: ['data', key], as }] })], values);
  return Object(first?.['data'])[key];
}

describe('when the values of a site are written into objects', () => {
  it.each([
    ['http://${parameters.host}:${parameters.port}/', 'http://plant.example:9443/'],
    ['x.${release.namespace}.svc', 'x.stowage-gear.svc'],
    ['${images.server}', REFERENCE],
    [
      '--image=${images.server} --again=${images.server}',
      `--image=${REFERENCE} --again=${REFERENCE}`,
    ],
    ['${images.server.repository}', '10.0.0.5:5443/gear'],
    ['${images.server.name}', 'server'],
    ['${images.server.version}', DIGEST],
    ['${models.tiny.uri}', 'oci://10.0.0.5:5443/gear/tiny-car@sha256:1'],
    ['$(VARIABLE) ${other} $5', '$(VARIABLE) ${other} $5'],
  ])('makes %s the text %s', (text, expected) => {
    expect(filled(text)).toBe(expected);
  });

  it('writes a whole name where an operator has no other field for it', () => {
    expect(filled('${images.server.name}', 'text', 'repository')).toBe('10.0.0.5:5443/gear/server');
  });

  it('writes a digest so that an operator that joins with a colon makes a reference of it', () => {
    const service = {
      ...{ apiVersion: 'apps.nvidia.com/v1alpha1', kind: 'NIMService', metadata: { name: 'a' } },
      spec: {
        image: { repository: '${images.server.name}', tag: '${images.server.version}' },
      },
    };
    const places = ['repository', 'tag'].map((each): Filled => {
      return { path: ['spec', 'image', each], as: 'text' };
    });
    const [found] = fillObjects([plain(service, { filled: places })], values);
    const { repository, tag } = Object(found?.['spec']).image;
    expect(`${repository}:${tag}`).toBe(REFERENCE);
  });

  it('makes a number of a parameter, and refuses one that is none', () => {
    expect(filled('${parameters.port}', 'number')).toBe(9443);
    expectCode(() => filled('${parameters.host}', 'number'), 'document-invalid');
  });

  it('leaves the same text alone at every other place', () => {
    const object = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a' },
      data: { a: '${release.namespace}' },
    };
    expect(fillObjects([plain(object)], values)[0]?.['data']).toEqual({
      a: '${release.namespace}',
    });
  });

  it.each(['${images.absent}', '${models.absent.uri}', '${images.absent.version}'])(
    'refuses %s, which the bundle has not',
    (text) => {
      expectCode(() => filled(text), 'document-invalid');
    },
  );

  it('writes a parameter as it is, also where it looks like a placeholder', () => {
    const object = {
      ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } },
      data: { text: '${parameters.host} ${release.namespace}' },
    };
    const [found] = fillObjects(
      [plain(object, { filled: [{ path: ['data', 'text'], as: 'text' }] })],
      {
        ...values,
        parameters: (text) => text.replaceAll('${parameters.host}', () => '${images.absent}'),
      },
    );
    expect(found?.['data']).toEqual({ text: '${images.absent} stowage-gear' });
  });

  const inText = (text: string, value: string): unknown => {
    const object = {
      ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } },
      data: { text },
    };
    const places: Filled[] = [{ path: ['data', 'text'], as: 'text' }];
    const [first] = fillObjects([plain(object, { filled: places })], {
      ...values,
      parameters: (each) => each.replaceAll('${parameters.host}', () => value),
    });
    return Object(first?.['data']).text;
  };

  const JSON_TEXT = '{"host": "${parameters.host}"}';
  it.each([
    ...['plant.example', 'https://a.example:8443/x?y=1', 'A b', '10', 'é', '.a', 'x86_64-v3'],
  ])('writes %s into a document in a text, as it needs no quotes', (value) => {
    expect(inText(JSON_TEXT, value)).toBe(`{"host": "${value}"}`);
    expect(inText('host: ${parameters.host}\nport: 1\n', value)).toBe(`host: ${value}\nport: 1\n`);
  });

  it.each([
    ...[
      'a"b',
      'a\\b',
      "a'b",
      'a\nb',
      'a: b',
      'a #b',
      'a:',
      '',
      ' a',
      'a ',
      '*a',
      '@a',
      '- a',
      '{}',
    ],
    ...['true', 'NO', 'null', '~', 'a&b', '<a>'],
  ])('refuses %j in a document in a text, which a template may have quoted', async (value) => {
    await expectCode(() => inText(JSON_TEXT, value), 'site-invalid');
    await expectCode(() => inText('a: ${parameters.host}\n', value), 'site-invalid');
    expect(inText('--host=${parameters.host}', value)).toBe(`--host=${value}`);
  });

  it.each<[what: string, path: string[]]>([
    ['the kind', ['kind']],
    ['the version', ['apiVersion']],
    ['a member that it only inherits', ['constructor', 'name']],
    ['a member of a prototype', ['__proto__', 'constructor', 'name']],
  ])('refuses to write %s of an object', (_, path) => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
    const wrong = plain(object, { filled: [{ path, as: 'text' }] });
    expectCode(() => fillObjects([wrong], values), 'document-invalid');
  });

  it.each<[what: string, object: object, isValid: boolean]>([
    ['a name of RBAC', { metadata: { name: 'system:Node.a' } }, true],
    ['a name that leads elsewhere', { metadata: { name: '..' } }, false],
    ['a name with a slash', { metadata: { name: 'a/b' } }, false],
    ['a name with an escape', { metadata: { name: '%2e%2e' } }, false],
    ['a namespace that leads elsewhere', { metadata: { name: 'a', namespace: '..' } }, false],
    ['a group', { apiVersion: 'demo.example/v1beta1' }, true],
    ['a version that leads elsewhere', { apiVersion: 'apps/..' }, false],
    ['a version with a path', { apiVersion: 'apps/v1/x' }, false],
    ['a kind with a slash', { kind: 'Pod/exec' }, false],
  ])('judges the place of an object: %s', (_, more, isValid) => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, ...more };
    const fill = (): unknown => fillObjects([plain(object)], values);
    if (isValid) expect(fill()).toHaveLength(1);
    else expectCode(fill, 'document-invalid');
  });

  it('refuses a place without a text', () => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
    const wrong = plain(object, { filled: [{ path: ['data', 'x'], as: 'text' }] });
    expectCode(() => fillObjects([wrong], values), 'document-invalid');
  });
});

describe('when a chart has checksums of its own objects', () => {
  const sum = (port: string, length: number): unknown => {
    const object = {
      ...{
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'a', annotations: { 'checksum/x': 'f'.repeat(length) } },
      },
      data: '${parameters.port}',
    };
    const places: Filled[] = [
      { path: ['metadata', 'annotations', 'checksum/x'], as: 'checksum' },
      { path: ['data'], as: 'text' },
    ];
    const [first] = fillObjects([plain(object, { filled: places })], {
      ...values,
      parameters: () => port,
    });
    return first?.metadata.annotations?.['checksum/x'];
  };

  it.each([40, 64])('writes one of %i digits that depends on the values of the site', (length) => {
    expect(sum('1', length)).toMatch(new RegExp(`^[0-9a-f]{${length}}$`));
    expect(sum('1', length)).toBe(sum('1', length));
    expect(sum('1', length)).not.toBe(sum('2', length));
  });
});

describe('when objects are not what is applied', () => {
  it('leaves out what generators of definitions wrote, and the time of creation', () => {
    const [definition] = fillObjects(
      [
        plain({
          ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
          metadata: { name: 'a.b', creationTimestamp: null },
          ...{ spec: {}, status: { storedVersions: [] } },
        }),
      ],
      values,
    );
    expect(definition).toEqual({
      ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
      ...{ metadata: { name: 'a.b' }, spec: {} },
    });
  });

  it.each([{}, { generateName: 'test-' }])('refuses one without a name: %j', async (metadata) => {
    const object = { apiVersion: 'batch/v1', kind: 'Job', metadata };
    await expectCode(() => fillObjects([plain(object)], values), 'document-invalid');
  });
});
