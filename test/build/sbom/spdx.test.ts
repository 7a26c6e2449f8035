import { describe, expect, it } from 'vitest';
import { sbom } from '../../../src/build/sbom/sbom.ts';
import { spdx } from '../../../src/build/sbom/spdx.ts';
import { noFacts } from '../../../src/content/bill-entry.ts';
import { installerComponents } from '../../format/samples.ts';
import { sampleOf } from '../samples.ts';

interface Component {
  readonly components?: readonly Component[];
}

interface Document {
  readonly packages: readonly Readonly<Record<string, unknown>>[];
  readonly relationships: readonly {
    readonly spdxElementId: string;
    readonly relationshipType: string;
    readonly relatedSpdxElement: string;
  }[];
}

const { lock } = sampleOf(100);
const bare = { platform: 'linux/amd64', path: 'stowage-linux-x64', size: 1, crc32: '00000000' };
const components = installerComponents();
const bill = sbom(lock, noFacts, [{ ...bare, sha512: components.sha512, components }]);
const document = spdx(bill) as unknown as Document;

describe('when an SPDX document is written', () => {
  it('has a package for the release and each component of the CycloneDX SBOM', () => {
    const count = (list: readonly Component[]): number =>
      list.reduce((sum, { components = [] }) => sum + 1 + count(components), 0);
    const { components } = bill as unknown as { components: readonly Component[] };
    expect(document.packages).toHaveLength(1 + count(components));
    expect(new Set(document.packages.map((each) => each['SPDXID'])).size).toBe(
      document.packages.length,
    );
  });

  it('places each package once, below the release that it describes', () => {
    const placed = document.relationships.filter((each) => each.relationshipType !== 'DEPENDS_ON');
    expect(placed.map((each) => each.relatedSpdxElement).toSorted()).toEqual(
      document.packages.map((each) => each['SPDXID']).toSorted(),
    );
    expect(document.relationships.filter((each) => each.relationshipType === 'DESCRIBES')).toEqual([
      expect.objectContaining({ spdxElementId: 'SPDXRef-DOCUMENT' }),
    ]);
  });

  it('states the dependencies between packages that do not contain each other', () => {
    const nameOf = (id: string): unknown =>
      document.packages.find((each) => each['SPDXID'] === id)?.['name'];
    const stated = (type: string): unknown[] =>
      document.relationships
        .filter(({ relationshipType }) => relationshipType === type)
        .map((each) => [nameOf(each.spdxElementId), nameOf(each.relatedSpdxElement)]);
    expect(stated('DEPENDS_ON')).toEqual([['@s/a', 'zod']]);
    expect(stated('CONTAINS')).toEqual(
      expect.arrayContaining([
        ['stowage-linux-x64', 'zod'],
        ['stowage-linux-x64', 'node'],
        ['node', 'openssl'],
      ]),
    );
    expect(document.packages.find(({ name }) => name === 'node')).toMatchObject({
      primaryPackagePurpose: 'APPLICATION',
      checksums: [{ algorithm: 'SHA256', checksumValue: components.runtime.sha256 }],
      externalRefs: [
        {
          ...{ referenceCategory: 'SECURITY', referenceType: 'cpe23Type' },
          referenceLocator: 'cpe:2.3:a:nodejs:node.js:24.0.0:*:*:*:*:*:*:*',
        },
        { referenceType: 'purl', referenceLocator: 'pkg:generic/node@24.0.0' },
      ],
    });
  });

  it.each([
    ['MIT', 'MIT', undefined],
    ['mit OR apache-2.0', 'MIT OR Apache-2.0', undefined],
    ['llama3.1', 'NOASSERTION', 'llama3.1'],
  ])('declares the license %s as %s', (license, declared, comment) => {
    const models = lock.models.map((each) => ({ ...each, license }));
    const { packages } = spdx(sbom({ ...lock, models })) as unknown as Document;
    expect(packages[1]?.['licenseDeclared']).toBe(declared);
    expect(packages[1]?.['licenseComments']).toBe(comment);
  });
});
