import { describe, expect, it } from 'vitest';
import { sbom } from '../../../src/build/sbom/sbom.ts';
import { spdx } from '../../../src/build/sbom/spdx.ts';
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
const bill = sbom(lock);
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
    expect(document.relationships.map((each) => each.relatedSpdxElement).toSorted()).toEqual(
      document.packages.map((each) => each['SPDXID']).toSorted(),
    );
    expect(document.relationships.filter((each) => each.relationshipType === 'DESCRIBES')).toEqual([
      expect.objectContaining({ spdxElementId: 'SPDXRef-DOCUMENT' }),
    ]);
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
