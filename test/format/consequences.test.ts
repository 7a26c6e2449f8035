import { describe, expect, it } from 'vitest';
import { follows, withoutConsequences } from '../../src/format/consequences.ts';
import type { Defect } from '../../src/format/defect.ts';
import { type DocumentKind, readValue } from '../../src/format/document.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { siteKind } from '../../src/format/site.ts';
import { readYaml } from '../../src/format/yaml-document.ts';
import { expectCode } from '../support/error.ts';
import { bend, paths } from './bend.ts';
import { manifest, site } from './samples.ts';

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
