import { describe, expect, it } from 'vitest';
import { sbom } from '../../../src/build/sbom/sbom.ts';
import { readPackages } from '../../../src/bundle/inspect/comparable.ts';
import type { ImagePackages } from '../../../src/content/bill-entry.ts';
import { canonicalBytes } from '../../../src/core/json.ts';
import { readValue } from '../../../src/format/document.ts';
import { lockKind } from '../../../src/format/lock.ts';
import { lock } from '../../format/samples.ts';
import { expectCode } from '../../support/error.ts';

const bill = (components: unknown): Buffer => Buffer.from(JSON.stringify({ components }));
const image = (components: unknown, more: object = {}): Buffer =>
  bill([{ type: 'container', 'bom-ref': 'image:server', components, ...more }]);

describe('when a bill of materials is read', () => {
  it('returns the packages of each image, its operating system and what was not read', () => {
    const read = readPackages(
      image(
        [
          { type: 'operating-system', name: 'debian', description: 'Debian 12' },
          {
            ...{ type: 'library', version: '1:2', purl: 'pkg:deb/debian/g%2B%2B@1%3A2?arch=amd64' },
            licenses: [{ license: { id: 'MIT' } }],
          },
          {
            type: 'library',
            version: '1',
            purl: 'pkg:npm/a@1',
            licenses: [{ expression: 'A OR B' }],
          },
        ],
        { properties: [{ name: 'stowage:unread', value: 'layer: damaged' }] },
      ),
    );
    expect(read).toEqual([
      {
        image: 'server',
        system: 'Debian 12',
        packages: [
          { type: 'deb', name: 'debian/g++', version: '1:2', license: 'MIT' },
          { type: 'npm', name: 'a', version: '1', license: 'A OR B' },
        ],
        unread: ['layer: damaged'],
      },
    ]);
  });

  it.each([
    ['nothing', null],
    ['a text', 'x'],
    ['a component that is none', [null, 1, 'x', [], {}]],
    ['an image without a name', [{ type: 'container', 'bom-ref': 1 }]],
  ])('reads %s as nothing', (_, components) => {
    expect(readPackages(bill(components))).toEqual([]);
  });

  it('ignores entries that are not packages, and keeps text on one line', () => {
    const purl = 'pkg:deb/a%0Ab@1';
    const [read] = readPackages(
      image([null, { type: 'library' }, { type: 'library', purl, version: '1\n2' }]),
    );
    expect(read?.packages).toEqual([{ type: 'deb', name: 'a<U+000A>b', version: '1<U+000A>2' }]);
  });

  it('rejects a document that is not JSON', async () => {
    await expectCode(() => readPackages(Buffer.from('{')), 'document-invalid');
  });

  it('reads the bill of materials that pack writes', () => {
    const locked = readValue(lockKind, lock());
    const [image] = locked.images;
    const manifest = image?.platforms[0]?.manifest;
    if (image === undefined || manifest === undefined) throw new Error('sample');
    const packages = new Map([
      [
        manifest,
        {
          os: { id: 'debian', version: '12', name: 'Debian GNU/Linux 12' },
          packages: [
            {
              ...{ type: 'deb', namespace: 'debian', name: 'g++', version: '4:12', license: 'MIT' },
              ...{
                url: 'pkg:deb/debian/g%2B%2B@4%3A12?arch=amd64',
                locations: ['var/lib/dpkg/status'],
              },
            },
          ],
          unread: [{ what: 'layer', why: 'damaged' }],
        } as ImagePackages,
      ],
    ]);
    expect(readPackages(canonicalBytes(sbom(locked, { packages, models: new Map() })))).toEqual([
      {
        image: image.name,
        system: 'Debian GNU/Linux 12',
        packages: [{ type: 'deb', name: 'debian/g++', version: '4:12', license: 'MIT' }],
        unread: ['layer: damaged'],
      },
    ]);
  });
});
