import { describe, expect, it } from 'vitest';
import { type Bundle, bundleKind } from '../../src/format/bundle.ts';
import { checkDocument, type DocumentKind } from '../../src/format/document.ts';
import { takeLongLists } from '../../src/format/long-lists.ts';
import { bend, paths } from './bend.ts';
import { bundle, ONE, part, placeOf, TWO } from './samples.ts';

const { quick: _, ...rest } = bundleKind;
const slow: DocumentKind<Bundle> = rest;

const sliced = bend(bundle(), 'blobs.1', {
  digest: TWO,
  size: 2,
  parts: [
    part(Buffer.from('2'), `${placeOf(TWO)}.0000`),
    part(Buffer.from('2'), `${placeOf(TWO)}.0001`, 1),
  ],
});
const values = [
  ...[undefined, null, true, -1, -0, 0, 1, 2, 1.5, 2 ** 53, Number.NaN],
  ...['', '0', 'a', 'A', '../a', 'con', 'ä', ONE, TWO, 'f'.repeat(40), 'f'.repeat(41)],
  ...[[], {}, [{}], { length: 1 }, ['a']],
];

/** What a kind makes of a value: the document, or its defects. */
function judged(kind: DocumentKind<Bundle>, value: unknown): unknown {
  try {
    return checkDocument(kind, value);
  } catch (error) {
    return (error as { defects: unknown }).defects;
  }
}

describe('when an index is checked without the schema', () => {
  it('equals the result of the schema', () => {
    for (const sound of [bundle(), sliced]) {
      expect(takeLongLists(sound)).toBeDefined();
      expect(bundleKind.quick?.(sound)).toEqual(slow.schema.parse(sound));
    }
  });

  it.each([
    ['a small bundle', bundle()],
    ['one with slices', sliced],
  ])('is judged as by the schema whatever is bent: %s', (_name, document) => {
    const places = paths(document).filter((path) => /^(?:blobs|models)(?:\.|$)/.test(path));
    expect(places.length).toBeGreaterThan(20);
    for (const place of places) {
      for (const value of values) {
        const bent = bend(document, place, value);
        expect(judged(bundleKind, bent), `${place} ${String(value)}`).toEqual(judged(slow, bent));
      }
    }
  });

  it.each(['blobs.0', 'blobs.0.parts.0', 'models.0', 'models.0.files.0', 'constructor'])(
    'lets no further member into %s',
    (place) => {
      const bent = bend(bundle(), place === 'constructor' ? place : `${place}.more`, 1);
      expect(judged(bundleKind, bent)).toEqual(judged(slow, bent));
      expect(bundleKind.quick?.(bent)).toBeUndefined();
    },
  );

  it('reads no member of a polluted prototype', () => {
    const bent = bend(bundle(), 'blobs.0.parts.0.size', undefined);
    const size = 1;
    Object.assign(Object.prototype, { size });
    try {
      expect(takeLongLists(bent)).toBeUndefined();
    } finally {
      delete (Object.prototype as { size?: number }).size;
    }
  });
});
