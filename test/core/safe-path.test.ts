import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_PATH_BYTES, MAX_PATH_DEPTH, MAX_SEGMENT_BYTES } from '../../src/core/limits.ts';
import { isMediaPath, parseSafePath, pathCollision, pathDefect } from '../../src/core/safe-path.ts';
import { expectCode } from '../support/error.ts';

const deep = (depth: number): string => Array.from({ length: depth }, () => 'd').join('/');
const long = (bytes: number): string =>
  `${'s'.repeat(200)}/`.repeat(Math.floor((bytes - 1) / 201)).padEnd(bytes, 'x');

const hostile: Readonly<Record<string, readonly string[]>> = {
  'climbing out': ['..', '../a', 'a/..', 'a/../b', 'a/../../b', './a', 'a/.', '.', 'a/./b'],
  absolute: ['/', '/a', '//a', '/../a'],
  'empty or with an empty segment': ['', 'a/', 'a//b'],
  'of another system': ['a\\b', '..\\a', 'C:', 'C:\\a', 'c:a', '\\\\host\\share', '//host/share'],
  'with control characters': ['a\0b', 'a\nb', 'a\rb', 'a\tb', 'a\u001b[31m', '\u007f', 'a\u0085b'],
  'with characters that hide': ['a\u202eb', 'a\u200bb', '\ufeffa', 'a\u2028b', 'a\u00adb'],
  'not in normal form C': ['e\u0301', 'a/\u212b', '\u1100\u1161'],
  'a device': [
    'CON',
    'con.txt',
    'a/nul',
    'AUX.',
    'com1',
    'LPT9.log',
    'prn',
    'com\u00b9',
    'LPT\u00b3.x',
  ],
  'a device with spaces': ['nul .txt', 'con  .a.b'],
  'ending in a dot or space': ['a.', 'a ', 'a./b', 'a /b', '...'],
  'a stream or glob': ['a:b', 'a::$DATA', 'a*', 'a?', 'a|b', 'a<b', 'a>b', 'a"b'],
  'an option or a space first': [
    '-rf',
    'a/-x',
    ' a',
    '+x',
    '~',
    '~/a',
    '#a',
    '$a',
    'a;b',
    'a&b',
    '`a`',
  ],
  'beginning with a combining mark': ['\u0e31a', 'a/\u0903'],
  'like a separator': ['a\u2044b', 'a\u2215b', 'a\uff0fb', 'a\uff3cb', 'a\ufe68b'],
  'like a . or .. segment': ['\uff0e\uff0e', 'a/\u2024', '\u2025'],
  'with letters or marks that are not drawn': ['a\u3164b', '\u115f', 'a\u034fb', 'a\ufe0fb'],
  'with invisible spaces': ['a\u202fb', 'a\u00a0b', 'a\u3000b'],
  'undecodable, or for private use': ['a\ufffdb', 'a\ufffcb', 'a\ue000b'],
  'a lone surrogate': ['a\ud800', '\udc00'],
};

describe('when a path is hostile', () => {
  const rows = Object.entries(hostile).flatMap(([kind, paths]) =>
    paths.map((path) => [kind, path] as const),
  );
  it.each(rows)('refuses what is %s: %j', async (_, path) => {
    expect(pathDefect(path)).toBeDefined();
    expect(isMediaPath(path)).toBe(false);
    const error = await expectCode(() => parseSafePath(path), 'path-unsafe');
    expect(error.message).toMatch(/^[^\0-\x1f]*$/);
  });

  it.each([
    ['path', MAX_PATH_BYTES, long],
    ['name', MAX_SEGMENT_BYTES, (bytes: number) => 'n'.repeat(bytes)],
    [
      'name beyond ASCII',
      MAX_SEGMENT_BYTES - 1,
      (bytes: number) => `${bytes % 2 === 0 ? '' : 'xx'}${'ä'.repeat(bytes >> 1)}`,
    ],
    ['depth', MAX_PATH_DEPTH, deep],
  ])('takes a %s of %i and nothing above', (_, limit, make) => {
    expect(pathDefect(make(limit - 1))).toBeUndefined();
    expect(pathDefect(make(limit))).toBeUndefined();
    expect(pathDefect(make(limit + 1))).toBeDefined();
  });

  it('is fast for a path of 3,000 folders', () => {
    expect(pathDefect(deep(3000))).toMatch(/longer|deeper/);
  });
});

describe('when a name has a character that is refused', () => {
  it.each([
    ['a\u202fb', 'has the invisible character U+202F, which not every system allows in names'],
    ['a\u200db', 'has the invisible character U+200D, which not every system allows in names'],
    ['a:b', 'has U+003A ":", which not every system allows in names'],
    ['a\uff0fb', 'has U+FF0F "／", which not every system allows in names'],
    ['-a', 'has a name that starts with U+002D "-"'],
  ])('names the code point in %j', (path, defect) => {
    expect(pathDefect(path)).toBe(defect);
  });

  it('shows it as a code point in the path as well', async () => {
    const { message } = await expectCode(() => parseSafePath('exe\u202fgpj'), 'path-unsafe');
    expect(message).toBe('unsafe path "exe<U+202F>gpj"');
  });
});

describe('when a path is plain', () => {
  it.each([
    'a',
    'model-00001-of-00002.safetensors',
    '.gitattributes',
    'a b/c',
    'größe/日本語.txt',
    'v1.0+build,x=(y)[z]@w',
    'console',
    'com10',
    'nullable.txt',
    '..a',
    'a..b',
    'ไฟล์ภาษาไทย.txt',
    'हिन्दी/किताब.md',
    'العَرَبِيَّة.md',
    '2024–2025.md',
    'col·lecció.txt',
    '（附件）【一】.txt',
    '说明：使用.md',
    '「設定」.json',
    'température °C.csv',
  ])('takes %s', (path) => {
    expect(parseSafePath(path)).toBe(path);
  });

  it.each([
    ['blobs/sha256/ab.0000', true],
    ['attestations/lock.json', true],
    ['a b', false],
    ['größe', false],
    ['a+b', false],
    ['a@b', false],
  ])('says of %s on the media: %s', (path, fit) => {
    expect(pathDefect(path)).toBeUndefined();
    expect(isMediaPath(path)).toBe(fit);
  });
});

describe('when a path has portable characters only', () => {
  it('gets the same answer as with other characters in it', () => {
    const word = fc.string({ unit: fc.constantFrom(...'aZ09._-con1lpt'), maxLength: 6 });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
        const path = words.join('/');
        // A letter beyond ASCII before it takes the way of all paths.
        expect(pathDefect(path)).toBe(pathDefect(`ä/${path}`));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('when paths are in one folder', () => {
  it.each([
    ['the same', ['a', 'b', 'a'], ['a', 'a']],
    ['case twins', ['a/B', 'a/b'], ['a/B', 'a/b']],
    ['case twins beyond ASCII', ['Ä', 'ä'], ['Ä', 'ä']],
    ['sigma and final sigma', ['σ', 'ς'], ['σ', 'ς']],
    ['s and long s', ['s', 'ſ'], ['s', 'ſ']],
    ['twins in normal forms C and D', ['é', 'e\u0301'], ['é', 'e\u0301']],
    ['a file, then its folder', ['a', 'a/b'], ['a', 'a/b']],
    ['a folder, then its file', ['a/b/c', 'a/b'], ['a/b/c', 'a/b']],
    ['a file and a folder in another case', ['a/B', 'A'], ['a/B', 'A']],
    ['a file and a folder far up', ['A/b/c/d', 'x', 'a'], ['A/b/c/d', 'a']],
  ])('sees %s', (_, paths, expected) => {
    expect(pathCollision(paths)).toEqual(expected);
  });

  it.each([[[]], [['a']], [['a', 'b']], [['a/b', 'a/c', 'ab']], [['a.b', 'a/b', 'a-b']]])(
    'lets %j be',
    (paths) => {
      expect(pathCollision(paths)).toBeUndefined();
    },
  );

  it('finds a collision at any position', () => {
    const name = fc.stringMatching(/^[a-c]{1,3}(\/[a-c]{1,3}){0,2}$/);
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1 }), fc.nat(), (paths, pick) => {
        const twin = (paths[pick % paths.length] ?? '').toUpperCase();
        expect(pathCollision([...paths, twin])).toBeDefined();
        expect(pathCollision([twin, ...paths])).toBeDefined();
      }),
    );
  });
});
