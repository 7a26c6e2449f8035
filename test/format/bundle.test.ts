import { describe, expect, it } from 'vitest';
import { digestOf, sriOf } from '../../src/core/digest.ts';
import { bundleBytes, bundleFiles, bundleKind } from '../../src/format/bundle.ts';
import { checkDocument } from '../../src/format/document.ts';
import { partPath } from '../../src/format/part.ts';
import { expectCode } from '../support/error.ts';
import { bend } from './bend.ts';
import { bundle, ONE, part, placeOf, TWO } from './samples.ts';

const bytes = Buffer.from('22');
const slices = (second: object = {}): object => ({
  digest: TWO,
  size: 2,
  parts: [
    part(bytes.subarray(0, 1), `${placeOf(TWO)}.0000`),
    { ...part(bytes.subarray(1), `${placeOf(TWO)}.0001`, 1), ...second },
  ],
});
const second = { source: './b', kind: 'file', path: 'b', manifest: TWO, digest: ONE, size: 1 };
const blob = (value: unknown): object => bend(bundle(), 'blobs.1', value);
const control = (path: string): object => ({ path, size: 1, sha512: sriOf(bytes) });
const other = digestOf(Buffer.from('other'));

describe('when a bundle refers to undefined names', () => {
  it.each<[string, object, string]>([
    [
      'a model and an image of one name',
      bend(bundle(), 'images.0.name', 'tiny'),
      'have the same name',
    ],
    [
      'two files of one name',
      bend(bundle(), 'files.1', { ...second, name: 'settings' }),
      'have the same name',
    ],
    [
      'a service of an image that is not there',
      bend(bundle(), 'services.0.image', 'other'),
      'services[0].image: unknown image other',
    ],
    [
      'a mount of a model that is not there',
      bend(bundle(), 'services.0.mounts', [{ model: 'other', path: '/m' }]),
      'services[0].mounts[0].model: unknown model other',
    ],
    [
      'a mount of files that are not there',
      bend(bundle(), 'services.0.mounts', [{ files: 'other', path: '/m' }]),
      'services[0].mounts[0].files: unknown files other',
    ],
    [
      'an acceptance of a service that is not there',
      bend(bundle(), 'acceptance.0.service', 'other'),
      'acceptance[0].service: unknown service other',
    ],
    [
      'a parameter that is not there',
      bend(bundle(), 'services.0.args', ['${' + 'parameters.other}']),
      'services[0].args[0]: unknown parameter other',
    ],
  ])('refuses %s, as a manifest would be', async (_, value, defect) => {
    const error = await expectCode(() => checkDocument(bundleKind, value), 'index-malformed');
    expect(error.defects.join('\n')).toContain(defect);
  });
});

describe('when a bundle’s parts are wrong', () => {
  it.each<[string, object, string]>([
    [
      'a part under another name',
      bend(bundle(), 'blobs.0.parts.0.path', 'blobs/sha256/x'),
      'expected blobs/sha256/',
    ],
    [
      'a whole blob with an index',
      bend(bundle(), 'blobs.0.parts.0.path', `${placeOf(ONE)}.0000`),
      'expected blobs/sha256/',
    ],
    ['a slice without one', blob(slices({ path: placeOf(TWO) })), '.0001'],
    ['an index that skips one', blob(slices({ path: `${placeOf(TWO)}.0002` })), '.0001'],
    ['an index of three digits', blob(slices({ path: `${placeOf(TWO)}.001` })), '.0001'],
    ['one index twice', blob(slices({ path: `${placeOf(TWO)}.0000` })), '.0001'],
    ['a part that climbs out', bend(bundle(), 'blobs.0.parts.0.path', '../x'), 'relative path'],
    ['a gap', blob(slices({ offset: 2 })), 'expected 1'],
    ['an overlap', blob(slices({ offset: 0 })), 'expected 1'],
    ['a part that is larger than the rest', blob(slices({ size: 2 })), 'the parts add up to 3'],
    [
      'a blob that is larger than its parts',
      bend(bundle(), 'blobs.1.size', 3),
      'the parts add up to 2',
    ],
    ['a blob without parts', blob({ digest: TWO, size: 0, parts: [] }), 'parts'],
    [
      'parts in another order',
      blob({ ...slices(), parts: (slices() as { parts: object[] }).parts.toReversed() }),
      'expected',
    ],
    ['a CRC too few', bend(bundle(), 'blobs.0.parts.0.crc32', ''), '8 hex digits for each 4 MiB'],
    [
      'a CRC too many',
      bend(bundle(), 'blobs.0.parts.0.crc32', '0'.repeat(16)),
      '8 hex digits for each 4 MiB',
    ],
    ['a CRC in upper case', bend(bundle(), 'blobs.0.parts.0.crc32', 'ABCDEF00'), 'crc32'],
    ['an integrity string that is empty', bend(bundle(), 'blobs.0.parts.0.sha512', ''), 'sha512-'],
    [
      'a digest with another algorithm',
      bend(bundle(), 'blobs.0.digest', `sha512:${'0'.repeat(64)}`),
      'sha256:',
    ],
    ['a negative size', bend(bundle(), 'blobs.0.size', -1), 'blobs[0].size'],
  ])('refuses %s', async (_, document, defect) => {
    const error = await expectCode(() => checkDocument(bundleKind, document), 'index-malformed');
    expect(error.defects.join('\n')).toContain(defect);
  });

  it.each([
    [0, 0],
    [1, 1],
    [4_194_303, 1],
    [4_194_304, 1],
    [4_194_305, 2],
  ])('wants for %i bytes %i CRCs', (size, count) => {
    const whole = { path: placeOf(TWO), offset: 0, size, sha512: sriOf(bytes) };
    const taken = [count - 1, count, count + 1].filter((crcs) => {
      if (crcs < 0) return false;
      const parts = [{ ...whole, crc32: '0'.repeat(8 * crcs) }];
      return bundleKind.schema.safeParse(blob({ digest: TWO, size, parts })).success;
    });
    expect(taken).toEqual([count]);
  });
});

describe('when a bundle’s lists contradict each other', () => {
  it.each<[string, object, string]>([
    [
      'a blob twice',
      bend(bundle(), 'blobs.2', {
        digest: ONE,
        size: 1,
        parts: [part(Buffer.from('1'), placeOf(ONE))],
      }),
      'listed twice',
    ],
    [
      'a blob that is missing',
      bend(bundle(), 'blobs.0', undefined),
      `blob ${ONE} is used but not listed`,
    ],
    [
      'a model file that is not listed',
      bend(bundle(), 'models.0.files.0.digest', other),
      'not listed',
    ],
    [
      'a model manifest that is not listed',
      bend(bundle(), 'models.0.manifest', other),
      'not listed',
    ],
    [
      'an image target that is not listed',
      bend(bundle(), 'images.0.target.digest', other),
      'not listed',
    ],
    [
      'an image manifest that is not listed',
      bend(bundle(), 'images.0.platforms.0.manifest', other),
      'not listed',
    ],
    [
      'an image config that is not listed',
      bend(bundle(), 'images.0.platforms.0.config', other),
      'not listed',
    ],
    ['a file that is not listed', bend(bundle(), 'files.0.digest', other), 'not listed'],
    ['a file manifest that is not listed', bend(bundle(), 'files.0.manifest', other), 'not listed'],
    ['a model file of two sizes', bend(bundle(), 'models.0.files.0.size', 9), 'has two sizes'],
    ['a file of two sizes', bend(bundle(), 'files.0.size', 9), 'has two sizes'],
    ['a control file twice', bend(bundle(), 'control.1', control('oci-layout')), 'are one file'],
    [
      'control files that are case twins',
      bend(bundle(), 'control.1', control('OCI-layout')),
      'are one file',
    ],
    [
      'a control file in place of a part',
      bend(bundle(), 'control.1', control(placeOf(ONE))),
      'are one file',
    ],
    [
      'a control file that is a case twin of a part',
      bend(bundle(), 'control.1', control(placeOf(ONE).toUpperCase())),
      'are one file',
    ],
    [
      'a control file that is a part’s folder',
      bend(bundle(), 'control.1', control('blobs')),
      'are one file',
    ],
    [
      'model files that are case twins',
      bend(bundle(), 'models.0.files.1', { path: 'TINY.gguf', size: 1, digest: ONE }),
      'one file on some systems',
    ],
    [
      'a model file below another',
      bend(bundle(), 'models.0.files.1', { path: 'tiny.gguf/x', size: 1, digest: ONE }),
      'one file on some systems',
    ],
    ['a model without files', bend(bundle(), 'models.0.files', []), 'models[0].files'],
    [
      'a model file that climbs out',
      bend(bundle(), 'models.0.files.0.path', '../x'),
      'unsafe path',
    ],
  ])('refuses %s', async (_, document, defect) => {
    const error = await expectCode(() => checkDocument(bundleKind, document), 'index-malformed');
    expect(error.defects.join('\n')).toContain(defect);
  });
});

describe('when a bundle is queried', () => {
  it('lists its files and bytes', () => {
    const read = checkDocument(bundleKind, bundle());
    expect(bundleFiles(read).map(({ path }) => path)).toEqual([
      'oci-layout',
      placeOf(ONE),
      `${placeOf(TWO)}.0000`,
      `${placeOf(TWO)}.0001`,
    ]);
    expect(bundleBytes(read)).toBe(3);
  });

  it.each([
    [undefined, 'blobs/sha256/ab'],
    [0, 'blobs/sha256/ab.0000'],
    [9999, 'blobs/sha256/ab.9999'],
    [10_000, 'blobs/sha256/ab.10000'],
  ])('puts slice %s at %s', (index, path) => expect(partPath('ab', index)).toBe(path));
});
