import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { promptExpectation } from '../../src/format/deployment.ts';
import { egress, isPlace, siteEgress } from '../../src/format/egress.ts';
import { tag } from '../../src/format/evaluation.ts';
import * as field from '../../src/format/field.ts';
import { knownEgress } from '../../src/format/known-egress.ts';
import { kubernetesSite, secretReference } from '../../src/format/kubernetes-site.ts';
import { documentKinds, jsonSchemas } from '../../src/format/schemas.ts';
import { siteKind } from '../../src/format/site.ts';
import { modelSource } from '../../src/format/source.ts';

interface JsonSchema {
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** Whether an editor accepts a text. JSON Schema counts characters, and reads patterns as Unicode (2020-12, section 6.4). */
function accepts(
  { pattern, minLength = 0, maxLength = Infinity }: JsonSchema,
  text: string,
): boolean {
  const { length } = [...text];
  const fits = pattern === undefined || new RegExp(pattern, 'u').test(text);
  return fits && length >= minLength && length <= maxLength;
}

/** The JSON Schema at a path such as `kubernetes.clients` in the written schema of `site.yaml`. */
function inSite(...path: readonly string[]): JsonSchema {
  let found = JSON.parse(jsonSchemas().get('site.schema.json') ?? '');
  for (const name of path) found = found[name];
  return found;
}

const site = (more: object): boolean =>
  siteKind.schema.safeParse({ apiVersion: 'stowage/v1', name: 'plant', ...more }).success;
const kubernetes = (more: object): boolean =>
  kubernetesSite.safeParse({ images: { registry: 'depot:5443' }, ...more }).success;
const images = (more: object): boolean =>
  kubernetes({ images: { registry: 'depot:5443', from: 'push', ...more } });
const opened = { protocol: 'tcp', ports: [1], reason: 'the log server' };
const own = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
const member = (schema: z.ZodType, ...path: readonly string[]): JsonSchema => {
  // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
  let found: any = own(schema);
  for (const name of path) found = found[name];
  return found;
};
const parses =
  (schema: z.ZodType) =>
  (text: string): boolean =>
    schema.safeParse(text).success;

const PLACES = [
  ...['10.0.0.0', '255.255.255.255', '0.0.0.0', '10.20.0.0/16', '10.20.0.5/16', '0.0.0.0/0'],
  ...['10.0.0.1/32', '::', '::1', '2001:db8::', '2001:db8::1', '1:2:3:4:5:6:7:8', '::/0'],
  ...['fd00::/8', 'fd00::1/64', '2001:db8::/128', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8'],
  ...['::ffff:10.0.0.1', '1:2:3:4:5:6:10.0.0.1', 'FD00::A', '1::3:4:5:6:7:8'],
];
const NO_PLACES = [
  ...['10.0.0', '10.0.0.0.0', '256.0.0.1', '10.0.0.01', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08'],
  ...[
    '10.0.0.0/-1',
    '10.0.0.0/16/16',
    '10.0.0.0/255.0.0.0',
    '10.0.0.0 ',
    ' 10.0.0.0',
    '10.0.0.0\n',
  ],
  ...['fd00::/129', 'fd00::/0128', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9'],
  ...[
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'fe80::1%eth0',
    '[::1]',
    '::1/',
    '10.0.0.1::',
    '::10.0.0.256',
  ],
  ...['1:2:3:4:5:6:7:10.0.0.1', 'g::', '', '/16', 'index.example', 'Apps', '10.20.0.0-16', '*'],
];
const NAMES = ['apps', 'a', 'kube-system', '10', 'x'.repeat(63)];
const NO_NAMES = ['-a', 'a-', 'a--b', 'a_b', 'x'.repeat(64), 'a.b', 'a/b'];

/** A field, how it is parsed, its JSON Schema, and texts at its limits that it takes or refuses. */
const fields: readonly (readonly [
  name: string,
  parse: (text: string) => boolean,
  schema: JsonSchema,
  taken: readonly string[],
  refused: readonly string[],
])[] = [
  [
    'kubernetes.clients',
    (text) => kubernetes({ clients: [text] }),
    inSite('properties', 'kubernetes', 'properties', 'clients', 'items'),
    [...PLACES, ...NAMES],
    [...NO_PLACES, ...NO_NAMES],
  ],
  [
    'egress of site.yaml',
    (text) => siteEgress.safeParse([{ ...opened, to: text }]).success,
    member(siteEgress, 'items', 'properties', 'to'),
    ...([PLACES, [...NO_PLACES, 'apps', '${parameters.index}']] as const),
  ],
  [
    'egress of a manifest',
    (text) => egress.safeParse({ ...opened, to: text }).success,
    member(egress, 'properties', 'to'),
    [...PLACES, '${parameters.index}'],
    [...NO_PLACES, 'apps', '${parameters.Index}', '${parameters.a.b}', 'x${parameters.index}'],
  ],
  [
    'reason',
    (text) => egress.safeParse({ ...opened, to: '::1', reason: text }).success,
    member(egress, 'properties', 'reason'),
    ['x', ' x ', 'é', 'x'.repeat(200)],
    ['', ' ', '\u00a0', 'a\nb', 'a\u2028b', 'x'.repeat(201)],
  ],
  [
    'host of knownEgress',
    (text) => knownEgress.safeParse([{ host: text, reason: 'x' }]).success,
    member(knownEgress, 'items', 'properties', 'host'),
    ['huggingface.co', '*.example.com', 'a', '10.0.0.1', '::1', '2001:db8::1', '_dns.a', '1a'],
    ['Huggingface.co', '10.0.0', '1.2.3.4.5', 'a..b', '*.', '', 'a.', '::1/64', 'x'.repeat(64)],
  ],
  [
    'address',
    (text) => site({ address: text }),
    inSite('properties', 'address'),
    ['127.0.0.1', '0.0.0.0', '::', '::1', '2001:db8::1', 'fe8::1', 'FD00::A'],
    [
      ...['::ffff:10.0.0.1', '::ffff:a00:1', 'fe80::1', 'FEBF::1', 'fe80::1%eth0', '[::1]', ''],
      ...['10.0.0', '10.0.0.1/32', 'localhost'],
    ],
  ],
  [
    'images.registry',
    (text) => images({ registry: text }),
    inSite('properties', 'kubernetes', 'properties', 'images', 'properties', 'registry'),
    ['10.0.0.1:5443', 'registry.example', '[fd00::1]:5000', 'a', 'A-b.c:1'],
    ['https://registry.example', 'a/b', 'a:', 'a:123456', '-a', 'a-', 'a..b', '', '::1', 'a b'],
  ],
  [
    'images.prefix',
    (text) => images({ prefix: text }),
    inSite('properties', 'kubernetes', 'properties', 'images', 'properties', 'prefix'),
    ['', 'ai/', 'ai/models/', 'a__b/', 'a--b/'],
    ['ai', '/', '/ai/', 'AI/', 'a___b/', 'ai//', `${'x'.repeat(200)}/`],
  ],
  [
    'kubeconfig',
    (text) => kubernetes({ kubeconfig: text }),
    inSite('properties', 'kubernetes', 'properties', 'kubeconfig'),
    ['/', '/etc/rancher/k3s/k3s.yaml', '/a b'],
    ['', '~/.kube/config', './config', '/a\nb'],
  ],
  [
    'the file of a secret',
    (text) => secretReference.safeParse({ file: text }).success,
    member(secretReference, 'anyOf', '0', 'properties', 'file'),
    ['/run/token', '/'],
    ['token', '', '/a\tb'],
  ],
  [
    ...(['version', parses(field.version), own(field.version)] as const),
    ['0.0.0', '1.4.0', '1.4.0-rc.1', '10.20.30', '1.0.0-alpha-1.x', '1.0.0-0a'],
    ['1.4', 'v1.4.0', '1.4.0+build', '01.4.0', '1.4.0-01', '1.4.0-', '1.4.0-a..b', '', '1.4.0.0'],
  ],
  [
    ...(['digest', parses(field.digest), own(field.digest)] as const),
    [`sha256:${'0'.repeat(64)}`, `sha256:${'af09'.repeat(16)}`],
    [`sha256:${'0'.repeat(63)}`, `sha256:${'0'.repeat(65)}`, `sha256:${'F'.repeat(64)}`, 'sha256:'],
  ],
  [
    ...(['SRI', parses(field.sri), own(field.sri)] as const),
    [`sha512-${'A'.repeat(86)}==`, `sha512-${'/+'.repeat(42)}9g==`],
    [`sha512-${'A'.repeat(85)}B==`, `sha512-${'A'.repeat(86)}`, `sha256-${'A'.repeat(86)}==`],
  ],
  [
    ...(['path of a file', parses(field.safePath), own(field.safePath)] as const),
    ['a', 'a/b.json', '.gitattributes', 'a b/c (1).txt', 'modèle/é', 'x/'.repeat(31).concat('x')],
    [
      ...['', '/a', 'a/', 'a//b', '.', '..', 'a/..', 'a/../b', './a', 'a.', 'a ', '-a', 'a\\b'],
      ...['a:b', 'a\0b', 'a\nb', 'a*', 'x/'.repeat(32).concat('x')],
    ],
  ],
  [
    ...(['path on the media', parses(field.mediaPath), own(field.mediaPath)] as const),
    ['a', 'blobs/sha256/00', '.stowage', 'a-b_c.d'],
    ['', '/a', '../a', 'a/./b', 'a b', 'é', 'a.', '-a', 'a\n'],
  ],
  [
    ...(['path in a container', parses(field.containerPath), own(field.containerPath)] as const),
    ['/models', '/models/a.b', '/...', '/.cache', '/a/..b'],
    ['models', '/', '/a/', '/a/../b', '/..', '/a/.', '/a b', ''],
  ],
  [
    'repository of an image',
    ...([parses(field.imageRepository), own(field.imageRepository)] as const),
    ['docker.io/vllm/vllm-openai', 'localhost:5000/a', '[::1]:5000/a/b'],
    ['vllm', 'docker.io/', '/a', 'docker.io/A', 'docker.io//a', 'docker.io/a:tag', ''],
  ],
  [
    ...(['repository of a model', parses(field.hubRepository), own(field.hubRepository)] as const),
    ['org/name', 'Qwen/Qwen2.5-7B', 'a/b'],
    ['name', 'a/b/c', 'a/..', 'a/b..c', '.a/b', '/a', 'a/', ''],
  ],
  [
    ...(['moment', parses(field.moment), own(field.moment)] as const),
    ['2026-11-21T10:00:00Z', '2024-02-29T23:59:59Z'],
    [
      ...['2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z', '2026-01-32T00:00:00Z', '2026-01-01'],
      ...['2026-01-01T24:00:00Z', '2026-01-01T00:60:00Z', '2026-01-01T00:00:00+00:00'],
    ],
  ],
  [
    ...(['text of several lines', parses(field.text(8)), own(field.text(8))] as const),
    ['', 'a\n\tb', 'é', '12345678'],
    ['a\rb', '\0', '\u0085', '\ud800', '123456789'],
  ],
  [
    ...(['tag', parses(tag), own(tag)] as const),
    ['safety', 'x'.repeat(64)],
    ['', 'a\nb', 'x'.repeat(65)],
  ],
  [
    ...(['source of a model', parses(modelSource), own(modelSource)] as const),
    [
      ...['hf://org/name@main', 'hf+https://depot.example:5443/org/name', './model', '../model'],
      ...['/srv/model', 'oci://registry.example/a:tag', 'ollama://qwen3:0.6b', 's3://bucket/a/b'],
      ...['https://host.example/SHA256SUMS', 'bundle:./disc:model', 'bundle:/disc', '.', '..'],
      ...['http://127.0.0.1:8000/SHA256SUMS'],
    ],
    [
      ...['org/name', 'hf://name', 'model', 'http://host.example/SHA256SUMS', 's3://a', '', 'a:b'],
      ...['https://huggingface.co/org/name', 's3://bucket/../a', 's3://bucket/a//b', './a\nb'],
    ],
  ],
];

describe('when an editor checks a field by the JSON Schema', () => {
  describe.each(fields)('%s', (_, parse, schema, taken, refused) => {
    it.each(taken)('takes %j, as the parser does', (text) => {
      expect([parse(text), accepts(schema, text)]).toEqual([true, true]);
    });

    it.each(refused)('refuses %j, as the parser does', (text) => {
      expect([parse(text), accepts(schema, text)]).toEqual([false, false]);
    });
  });

  it('agrees with the parser about addresses and networks', () => {
    const schema = member(siteEgress, 'items', 'properties', 'to');
    const word = fc.stringMatching(/^[0-9a-fA-F]{0,5}$/);
    const address = fc.oneof(
      ...[fc.ipV4(), fc.ipV4Extended(), fc.ipV6()],
      fc.array(word, { minLength: 2, maxLength: 9 }).map((words) => words.join(':')),
      fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 3, maxLength: 5 }).map(String),
    );
    const bits = fc.option(fc.oneof(fc.integer({ min: -1, max: 140 }), fc.constant('')));
    const places = fc
      .tuple(address, bits)
      .map(([text, length]) => (length === null ? text : `${text}/${length}`));
    fc.assert(
      fc.property(places, (text) => {
        expect(accepts(schema, text)).toBe(isPlace(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('knows the form of every text, but of those that only a function can read', () => {
    const unknown = new Set<string>();
    for (const [name, { schema }] of Object.entries(documentKinds)) {
      const refined: (readonly (string | number)[])[] = [];
      const written = z.toJSONSchema(schema, {
        ...{ io: 'input', unrepresentable: 'any', reused: 'inline' },
        override: ({ zodSchema, path }) => {
          const { type, checks = [] } = zodSchema._zod.def;
          if (type === 'string' && checks.some(({ _zod }) => _zod.def.check === 'custom'))
            refined.push(path);
        },
      });
      for (const path of refined) {
        // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
        const { pattern, format } = path.reduce<any>((found, part) => found[part], written);
        if (pattern === undefined && format === undefined)
          unknown.add(`${name}: ${path.filter((each) => each !== 'properties').join('.')}`);
      }
    }
    expect([...unknown]).toEqual([
      'bundle: requires.releases.items.version',
      'lock: manifest.requires.releases.items.version',
      'manifest: requires.releases.items.version',
      'recall-order: versions',
      'report: contents.recalls.items.versions',
      'site: windows.items.timeZone',
    ]);
  });

  it('knows a regular expression, mirrors that differ, and limits of which there is one', () => {
    expect(member(promptExpectation, 'anyOf', '2', 'properties', 'matches')).toMatchObject({
      format: 'regex',
    });
    const manifest = JSON.parse(jsonSchemas().get('manifest.schema.json') ?? '');
    const { models, images: listed, services } = manifest.properties;
    for (const { items } of [models, listed])
      expect(items.properties.mirrors).toMatchObject({ uniqueItems: true });
    expect(services.items.properties.ulimits).toMatchObject({ minProperties: 1 });
  });
});

it('tries IPv6 addresses that Node knows', () => {
  for (const each of PLACES) expect(isIP(each.split('/')[0] ?? '')).not.toBe(0);
});
