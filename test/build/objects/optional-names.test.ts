import { describe, expect, it } from 'vitest';
import { requireAtEverySite } from '../../../src/build/objects/optional-names.ts';
import { checkDocument } from '../../../src/format/document.ts';
import { manifestKind } from '../../../src/format/manifest.ts';
import { manifest } from '../../format/samples.ts';
import { expectCode } from '../../support/error.ts';

const read = checkDocument(manifestKind, {
  ...manifest(),
  models: [
    { name: 'tiny', source: 'hf://demo/tiny@main' },
    { name: 'large', source: 'hf://demo/large@main', optional: true },
  ],
  images: [
    { name: 'server', source: 'registry.example/demo/server:1.0' },
    { name: 'big', source: 'registry.example/demo/big:1.0', optional: true },
  ],
});

describe('when charts and objects use content of the release', () => {
  it.each([
    'image: ${images.server}, tag: ${images.server.version}',
    'uri: ${models.tiny.uri}',
    'port: ${parameters.port}, large and big',
    '${images.bigger} ${models.larger.uri}',
  ])('may use what every site has: %s', (text) => {
    expect(() => requireAtEverySite('o', JSON.stringify({ text }), read)).not.toThrow();
  });

  it.each([
    ['an image', '${images.big}', 'big in "images"'],
    ['a part of the reference of one', 'x:${images.big.version}', 'big in "images"'],
    ['a model', 'uri: ${models.large.uri}', 'large in "models"'],
  ])('may not use %s that is optional', async (_, text, found) => {
    const error = await expectCode(
      () => requireAtEverySite('o', JSON.stringify({ text }), read),
      'manifest-invalid',
    );
    expect(error.found).toContain(found);
  });
});
