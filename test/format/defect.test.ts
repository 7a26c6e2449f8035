import { describe, expect, it } from 'vitest';
import { type Defect, follows, withoutConsequences } from '../../src/format/defect.ts';
import { checkDocument, type DocumentKind, readValue } from '../../src/format/document.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { siteKind } from '../../src/format/site.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { expectCode } from '../support/error.ts';
import { bend, paths } from './bend.ts';
import { manifest, site } from './samples.ts';

const HEAD = 'apiVersion: stowage/v1\nname: a\nversion: 1.0.0\n';
/** What zod says when nobody gives it words. */
const ZOD =
  /Invalid|Too (?:big|small)|Unrecognized|expected (?:string|object|array|record|int)\b|received/;

const defectsOf = async (text: string, file?: string): Promise<readonly string[]> =>
  (await expectCode(() => readYaml(manifestKind, Buffer.from(text), file), 'manifest-invalid'))
    .defects;

describe('when a field has the wrong type or value', () => {
  it.each<[string, unknown, string]>([
    ['name', 5, 'name: expected text, found the number 5: put it in quotes'],
    ['name', undefined, 'name: required field is missing'],
    ['apiVersion', undefined, 'apiVersion: required field is missing'],
    ['version', 1, 'version: quote it, and write three parts: "1.0.0"'],
    ['version', 1.4, 'version: quote it, and write three parts: "1.4.0"'],
    ['version', true, 'version: expected text, found true: put it in quotes'],
    ['models', {}, 'models: expected a list, found a mapping of fields'],
    ['services.0', null, 'services[0]: expected a mapping of fields, found nothing'],
    ['services.0.env', [], 'services[0].env: expected a mapping of names, found a list'],
    [
      'services.0.readOnlyRoot',
      'no',
      'services[0].readOnlyRoot: expected true or false, found text',
    ],
    ['services.0.pids', 0, 'services[0].pids: expected at least 1'],
    ['services.0.pids', 1.5, 'services[0].pids: expected a whole number, found the number 1.5'],
    ['services.0.memory', -1, 'services[0].memory: expected at least 0'],
    ['services.0.cpus', 0, 'services[0].cpus: expected more than 0'],
    ['services.0.args', Array(257).fill('a'), 'services[0].args: expected at most 256 entries'],
    ['platforms', [], 'platforms: expected at least 1 entry'],
    ['description', 'a'.repeat(501), 'description: expected at most 500 characters'],
    [
      'services.0.network',
      'brige',
      'services[0].network: expected one of: bridge, host, none; did you mean bridge?',
    ],
    ['services.0.gpus', 'some', 'services[0].gpus: expected a number from 1 to 64, or all'],
    ...['512M', '16GB', '-1', 0.5, true, []].map((value): [string, unknown, string] => [
      'services.0.memory',
      value,
      'services[0].memory: expected a number of bytes, or a whole number with B, KiB, MiB or GiB, such as 512MiB',
    ]),
  ])('says of %s: %j what is accepted', async (path, value, line) => {
    const run = (): unknown => checkDocument(manifestKind, bend(manifest(), path, value));
    const { defects } = await expectCode(run, 'manifest-invalid');
    expect(defects).toContain(line);
    expect(defects.join('\n')).not.toMatch(ZOD);
  });

  it('gives no text of the schema library for any field with any wrong value', async () => {
    const paths: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (path !== '') paths.push(path);
      if (typeof value !== 'object' || value === null) return;
      for (const [key, each] of Object.entries(value))
        visit(each, path === '' ? key : `${path}.${key}`);
    };
    visit(manifest(), '');
    expect(paths.length).toBeGreaterThan(40);
    for (const path of paths) {
      for (const value of [null, true, -7, 0.5, '\u0007', 'x y', [], [[]], {}, { x: 1 }]) {
        try {
          checkDocument(manifestKind, bend(manifest(), path, value));
        } catch (error) {
          const { defects } = error as { defects: string[] };
          expect(defects.join('\n')).not.toMatch(ZOD);
          expect(new Set(defects).size).toBe(defects.length);
        }
      }
    }
  });
});

describe('when a field is unknown', () => {
  it.each([
    ['chanel', 'chanel: unknown field; did you mean channel?'],
    ['services.0.memroy', 'services[0].memroy: unknown field; did you mean memory?'],
    ['services.0.depends_on', 'services[0].depends_on: unknown field; did you mean dependsOn?'],
    ['services.0.volumes', 'services[0].volumes: unknown field; did you mean mounts?'],
    ['services.0.enviroment', 'services[0].enviroment: unknown field; did you mean env?'],
    ['services.0.health.prot', 'services[0].health.prot: unknown field; did you mean port?'],
    ['models.0.licences', 'models[0].licences: unknown field; did you mean licenses?'],
    ['requires.host.gpu.vendr', 'requires.host.gpu.vendr: unknown field; did you mean vendor?'],
    ['services.0.zzz', 'services[0].zzz: unknown field'],
  ])('suggests what %s was meant to be', async (path, line) => {
    const gpu = bend(manifest(), 'requires', { host: { gpu: { count: 1 } } });
    const run = (): unknown => checkDocument(manifestKind, bend(gpu, path, 1));
    expect((await expectCode(run, 'manifest-invalid')).defects).toEqual([line]);
  });

  it('reports a misspelled required field once', async () => {
    const text = `${HEAD}images: [{nmae: i, source: x}]\n`;
    expect(await defectsOf(text)).toEqual(['images[0].nmae: unknown field; did you mean name?']);
  });

  it('says which fields exclude each other', async () => {
    const value = bend(manifest(), 'acceptance.0.expect', { equals: 'a', contains: 'b' });
    const run = (): unknown => checkDocument(manifestKind, value);
    expect((await expectCode(run, 'manifest-invalid')).defects).toEqual([
      'acceptance[0].expect.contains: cannot be combined with the other fields here',
    ]);
  });
});

describe('when a file has several defects', () => {
  const text = `${HEAD.replace('1.0.0', '1.0')}chanel: stable
services:
  - name: a
    image: nothing
    memory: 512M
    ports:
      - { name: http, container: 80, host: 19000 }
      - { name: more, container: 81, host: 19000 }
    health: { server: vllm, port: grpc }
  - { name: b }
`;

  it('names all of them in one run, in the order of the file, with line and column', async () => {
    expect(
      (await defectsOf(text, 'chat.yaml')).map((each) => each.split(': ').slice(0, 2)),
    ).toEqual([
      ['chat.yaml:3:10', 'version'],
      ['chat.yaml:4:1', 'chanel'],
      ['chat.yaml:7:12', 'services[0].image'],
      ['chat.yaml:8:13', 'services[0].memory'],
      ['chat.yaml:11:44', 'services[0].ports[1].host'],
      ['chat.yaml:12:35', 'services[0].health.port'],
      ['chat.yaml:13:5', 'services[1].image'],
    ]);
  });

  it('finds them in JSON as well', async () => {
    const json = '{\n  "apiVersion": "stowage/v1",\n  "name": "A",\n\t"version": "1"}\n';
    expect((await defectsOf(json, 'chat.json')).map((each) => each.split(': ')[0])).toEqual([
      'chat.json:3:11',
      'chat.json:4:13',
    ]);
  });

  it('names every error of the syntax with its place', async () => {
    const broken = `${HEAD}name: b\ndescription: "x\n`;
    expect((await defectsOf(broken, 'chat.yaml')).map((each) => each.split(': ')[0])).toEqual([
      'chat.yaml:4:1',
      'chat.yaml:6:1',
    ]);
  });

  it('places a missing field and an empty value where they belong', async () => {
    const empty = `${HEAD}channel:\nimages:\n  - source: x\n`;
    expect(await defectsOf(empty, 'm')).toEqual([
      'm:4:1: channel: expected text, found nothing',
      'm:6:5: images[0].name: required field is missing',
    ]);
  });

  it('does the same for site.yaml', async () => {
    const site = 'apiVersion: stowage/v1\nname: a\nparamters: {}\n';
    const run = (): unknown => readYaml(siteKind, Buffer.from(site), 'site.yaml');
    expect((await expectCode(run, 'site-invalid')).defects).toEqual([
      'site.yaml:3:1: paramters: unknown field; did you mean parameters?',
    ]);
  });
});

describe('when services listen on the host', () => {
  const service = (name: string, host: unknown, more = {}): object => ({
    name,
    image: 'server',
    ports: [{ name: 'http', container: 9000, host }],
    ...more,
  });
  const parameters = {
    one: { type: 'integer', default: 8080, description: '' },
    two: { type: 'integer', default: 8080, description: '' },
    open: { type: 'integer', description: '' },
  };
  const check = (...services: object[]): unknown =>
    checkDocument(manifestKind, {
      apiVersion: 'stowage/v1',
      name: 'a',
      version: '1.0.0',
      images: [{ name: 'server', source: 'x' }],
      services,
      parameters,
    });

  it.each<[string, object, object]>([
    ['one port', service('a', 19_000), service('b', 19_000)],
    ['a port and a default', service('a', 8080), service('b', '${parameters.one}')],
    ['one parameter', service('a', '${parameters.one}'), service('b', '${parameters.one}')],
    ['two defaults', service('a', '${parameters.one}'), service('b', '${parameters.two}')],
    ['the network of the host', service('a', 1, { network: 'host' }), service('b', 9000)],
  ])('refuses %s for two of them', async (_, a, b) => {
    const error = await expectCode(() => check(a, b), 'manifest-invalid');
    expect(error.defects).toHaveLength(1);
    expect(error.defects[0]).toContain('is also used by port http of service a');
  });

  it('prints no name for a port or a service without one', async () => {
    const nameless = { name: 'a', image: 'server', ports: [{ container: 1, host: 19_000 }] };
    const second = service('b', 19_000);
    for (const [first, label] of [
      [nameless, 'a port of service a'],
      [{ ...service('', 19_000), name: undefined }, 'port http of a service'],
    ] as const) {
      const error = await expectCode(() => check(first, second), 'manifest-invalid');
      expect(error.defects.join('\n')).toContain(`is also used by ${label}`);
      expect(error.defects.join('\n')).not.toContain('undefined of');
    }
  });

  it.each<[string, object, object]>([
    ['two ports', service('a', 19_000), service('b', 19_001)],
    ['values of the site', service('a', '${parameters.open}'), service('b', 8080)],
  ])('accepts %s', (_, a, b) => {
    expect(check(a, b)).toMatchObject({ services: [{ name: 'a' }, { name: 'b' }] });
  });
});

/** Documents with one mistake, by what the mistake is. */
function* mistakes(document: object): Iterable<[string, object]> {
  for (const path of paths(document)) {
    const keys = path.split('.');
    const key = keys.pop() ?? '';
    const above = keys.join('.');
    const holder = (above === '' ? document : memberOf(document, above)) as object;
    for (const wrong of /^\d+$/.test(key) ? [] : [`${key}x`, key.slice(0, -1), swapped(key)]) {
      if (wrong === '' || wrong === key || Object.hasOwn(holder, wrong)) continue;
      const renamed = Object.fromEntries(
        Object.entries(holder).map(([name, value]) => [name === key ? wrong : name, value]),
      );
      yield [`${path} spelled ${wrong}`, above === '' ? renamed : bend(document, above, renamed)];
    }
    for (const value of [null, 1.1, 'x y', '', true, [], ['a'], 'A_B'])
      yield [`${path}: ${JSON.stringify(value)}`, bend(document, path, value)];
  }
}

function memberOf(document: object, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], document);
}

const swapped = (key: string): string =>
  key.length > 3 ? `${key[0]}${key[2]}${key[1]}${key.slice(3)}` : `${key}y`;

describe('when a document has one mistake', () => {
  it.each<[string, DocumentKind<unknown>, object]>([
    ['a manifest', manifestKind, manifest()],
    ['site.yaml', siteKind, site()],
  ])('reports one defect, in %s', async (_, kind, document) => {
    let refused = 0;
    for (const [mistake, value] of mistakes(document)) {
      try {
        readValue(kind, value);
      } catch (error) {
        refused += 1;
        const { defects } = error as { readonly defects: readonly string[] };
        // A list that is empty lacks each entry that is used elsewhere.
        if (/: \[\]$/.test(mistake)) continue;
        expect(defects.length, `${mistake}\n${defects.join('\n')}`).toBe(1);
      }
    }
    expect(refused).toBeGreaterThan(200);
  });

  it.each([
    ['version: 1.10', 'version: quote it, and write three parts: "1.10.0"'],
    ['version: 1.0', 'version: quote it, and write three parts: "1.0.0"'],
    ['version: 2', 'version: quote it, and write three parts: "2.0.0"'],
    [
      'version: 1.0.0+build5',
      'version: expected no build metadata: versions become file names and tags',
    ],
    [
      'version: 1.0.0\nupgradeFrom: 1.10',
      'upgradeFrom: expected text, found the number 1.10: put it in quotes',
    ],
  ])('shows a number as it is written: %s', async (text, defect) => {
    const bytes = Buffer.from(`apiVersion: stowage/v1\nname: a\n${text}\n`);
    for (const file of [undefined, 'a.yaml']) {
      const { defects } = await expectCode(
        () => readYaml(manifestKind, bytes, file),
        'manifest-invalid',
      );
      expect(defects).toHaveLength(1);
      expect(defects[0]).toContain(defect);
    }
  });

  it.each(['contain', 'Contains', 'equal', 'match', 'token', 'json-schema'])(
    'asks for the form that was meant: expect with %s',
    async (field) => {
      const value = bend(manifest(), 'acceptance.0.expect', { [field]: 'a' });
      const { defects } = await expectCode(
        () => readValue(manifestKind, value),
        'manifest-invalid',
      );
      expect(defects).toHaveLength(1);
      expect(defects[0]).toMatch(
        /acceptance\[0\]\.expect\.[\w-]+: unknown field; did you mean (?:contains|equals|matches|tokens|jsonSchema)\?/,
      );
    },
  );
});

describe('when a field belongs to no accepted form', () => {
  it('names those that do, and does not ask for one of them', async () => {
    const value = bend(manifest(), 'acceptance.0.expect', { sentiment: 'good' });
    const { defects } = await expectCode(() => readValue(manifestKind, value), 'manifest-invalid');
    expect(defects).toEqual([
      'acceptance[0].expect.sentiment: unknown field; expected one of: equals, contains, matches, jsonSchema, tokens, nearest, dimension, norm',
    ]);
  });
});

describe('when a defect follows from another', () => {
  const own: Defect = { path: ['services', 0, 'naem'], message: 'unknown', meant: 'name' };
  const derived = (causes: Defect['causes'], path: Defect['path'] = ['a']): Defect => ({
    path,
    message: 'derived',
    ...(causes && { causes }),
  });

  it.each<[string, Defect]>([
    ['an entry of a list', derived([['services', '*', 'name']])],
    ['that entry', derived([['services', 0, 'name']])],
    ['what is below it', derived([['services', '*', 'name', 'deeper']])],
    ['a sibling', derived([['..', 'name']], ['services', 0, 'other'])],
    ['a member of a sibling', derived([['..', '..', 'name']], ['services', 0, 'health', 'port'])],
    ['itself', derived([['.', 'x']], ['services', 0, 'name'])],
  ])('drops the one that was derived from %s', (_, each) => {
    expect(withoutConsequences([each, own])).toEqual([own]);
  });

  it.each<[string, Defect]>([
    ['another entry', derived([['services', 1, 'name']])],
    ['another field', derived([['services', '*', 'image']])],
    ['the list itself', derived([['services']])],
    ['nothing', derived(undefined)],
  ])('keeps the one that was derived from %s', (_, each) => {
    expect(withoutConsequences([each, own])).toEqual([each, own]);
  });

  it('never drops all: of two that explain each other, one is kept', () => {
    const [a, b] = [derived([['b']], ['a']), derived([['a']], ['b'])];
    expect(withoutConsequences([a, b])).toEqual([a]);
  });

  it('keeps one defect of a value', () => {
    expect(withoutConsequences([derived(undefined), derived(undefined)])).toHaveLength(1);
  });

  it('is marked by a check', () => {
    expect(follows(['a'], ['b'])).toEqual({ params: { follows: [['a'], ['b']] } });
  });
});
